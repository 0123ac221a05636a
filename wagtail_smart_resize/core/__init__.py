"""Values and small services that every room may use. Know no model, and none of the other rooms."""
