"""The first administrator: from the environment, from a person at the terminal, or made up and kept in a file."""

from __future__ import annotations

import getpass
import secrets
import sys

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from portal import env
from portal.launcher.console import say
from portal.launcher.keys import write_once
from portal.places import Places

DEFAULT_NAME = "admin"
PASSWORD_BYTES = 15


def ensure_first_admin(places: Places) -> None:
    """Create an administrator unless one exists.

    A password that is made up goes into a private file: what is printed without a terminal ends up in logs.
    """
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        return
    name = env.text("PORTAL_ADMIN_USER", default=DEFAULT_NAME)
    if password := env.text("PORTAL_ADMIN_PASSWORD"):
        create(name, password=password)
        say(f"Administrator {name} created, with the password from PORTAL_ADMIN_PASSWORD.")
    elif sys.stdin.isatty() and sys.stdout.isatty():
        ask_and_create(name)
    else:
        made_up, file = secrets.token_urlsafe(PASSWORD_BYTES), places.first_admin_file
        file.unlink(missing_ok=True)
        write_once(file, text=made_up)
        create(name, password=made_up)
        say(f"Administrator {name} created. The password is in {file}; log in, change it, and delete the file.")


def ask_and_create(default_name: str) -> None:
    """Ask for name and password, until the password is a good one."""
    say("There is no administrator yet.")
    name = input(f"User name [{default_name}]: ").strip() or default_name
    while True:
        password = getpass.getpass("Password: ")
        try:
            validate_password(password, User(username=name))
        except ValidationError as error:
            say(" ".join(error.messages))
            continue
        if getpass.getpass("The same again: ") == password:
            break
        say("These were not the same.")
    create(name, password=password)
    say(f"Administrator {name} created.")


def create(name: str, *, password: str) -> None:
    """Create the user as superuser, or make an existing one superuser with this password."""
    user, _ = User.objects.get_or_create(username=name)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
