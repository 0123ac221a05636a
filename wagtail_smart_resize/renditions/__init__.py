"""Integration with Wagtail: the filter operation, and the cache of published state. No models."""
