"""A project as Celery's documentation has it for Django."""

from .celery import app

__all__ = ("app",)
