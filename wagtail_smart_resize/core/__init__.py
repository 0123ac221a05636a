"""Values and helpers for every package of the app. Knows no models and none of those packages."""
