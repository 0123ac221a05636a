"""A project as Celery's documentation describes it for Django."""

from .celery import app

__all__ = ("app",)
