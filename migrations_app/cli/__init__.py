"""The command line ``manage.py migration``: arguments in, services called, tables or JSON out."""

from __future__ import annotations
