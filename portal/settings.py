"""Django settings. Everything that differs between installations comes from the environment: docs/settings.md."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF

from portal import env
from portal.places import BASE_DIR, POSTGRES_DATABASE, POSTGRES_PORT, POSTGRES_USER, places_from_environment

PLACES = places_from_environment()
VAR_DIR = PLACES.var_dir

# psycopg's wheel looks for certificate authorities where no distribution keeps them.
SYSTEM_CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")
if SYSTEM_CA_FILE.exists():
    os.environ.setdefault("SSL_CERT_FILE", str(SYSTEM_CA_FILE))

# Core

DEBUG = env.flag("PORTAL_DEBUG")
SECURE = env.flag("PORTAL_SECURE")
BIND_HOST, BIND_PORT = env.bind_address("PORTAL_BIND", default="127.0.0.1:8000")
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
ALLOWED_HOSTS = env.names("PORTAL_ALLOWED_HOSTS", default=LOOPBACK_HOSTS)
CSRF_TRUSTED_ORIGINS = env.names("PORTAL_TRUSTED_ORIGINS")


def _generated(file: Path) -> str:
    """Return what the first start generated, or nothing before it."""
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def _secret_key() -> str:
    return env.text("PORTAL_SECRET_KEY", default=_generated(PLACES.secret_key_file))


def _encryption_keys() -> list[str]:
    """Keys for stored passwords, newest first; ``services.credentials`` says how they are used."""
    stored = _generated(PLACES.encryption_key_file).split()
    return env.names("PORTAL_ENCRYPTION_KEYS") or env.file("PORTAL_ENCRYPTION_KEY_FILE").split() or stored


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = env.names("PORTAL_SECRET_KEY_FALLBACKS")
PORTAL_ENCRYPTION_KEYS = _encryption_keys()

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "migrations_app.apps.MigrationsAppConfig",
    "portal.apps.PortalConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "crispy_forms",
    "crispy_bootstrap5",
    "template_partials",
    "js_lib_bootstrap5",
    "django_filters",
    "django_q",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "portal.health.HealthMiddleware",
    "portal.middleware.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.access.LoginRequiredMiddleware",
    "portal.access.GroupRequiredMiddleware",
    "portal.http.ViewerZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.portal",
            ],
        },
    },
]
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# The portal's own database


def _database() -> dict[str, Any]:
    if url := env.text("DATABASE_URL"):
        return dict(environ.Env.db_url_config(url))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": POSTGRES_DATABASE,
        "USER": POSTGRES_USER,
        "PASSWORD": _generated(PLACES.postgres_password_file),
        "HOST": str(PLACES.postgres_socket_dir),
        "PORT": str(POSTGRES_PORT),
    }


USES_EMBEDDED_POSTGRES = not env.text("DATABASE_URL")
_default_database = _database()
_default_database.setdefault("CONN_MAX_AGE", 60)
_default_database["CONN_HEALTH_CHECKS"] = True
_default_database["OPTIONS"] = {
    "application_name": "migration-portal",
    "connect_timeout": 10,
} | _default_database.get("OPTIONS", {})
DATABASES = {"default": _default_database}

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
    }
}

# People

AUTH_USER_MODEL = "auth.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = env.number("PORTAL_SESSION_HOURS", default=12) * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"

# Language and time

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.text("PORTAL_TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

# Static files: from the packages and static/, or from STATIC_ROOT once collectstatic has been run.

STATIC_URL = "static/"
STATIC_ROOT = PLACES.static_dir
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_IS_COLLECTED = (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_USE_FINDERS = not STATIC_IS_COLLECTED
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_IS_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Safety

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Bootstrap's style sheet draws its icons as data: images
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
# The wizard's list of databases has four fields for each, its list of tables one for each that is ticked.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 50_000
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"

SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = env.number("PORTAL_HSTS_SECONDS", default=31_536_000, least=0) if SECURE else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
TRUSTED_PROXIES = env.networks("PORTAL_TRUSTED_PROXIES")

# HSTS for subdomains (W005) and preload lists (W021) speak for hosts that are not the portal's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if not SECURE:
    # Plain http on this machine's loopback address: there is no TLS for HSTS (W004), a redirect (W008) or
    # secure cookies (W012, W016) to build on. portal.W002 warns as soon as PORTAL_BIND is another address.
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W012", "security.W016"]

# Which hosts a migration may reach; an empty list allows every host.
PORTAL_ALLOWED_NETWORKS = env.networks("PORTAL_ALLOWED_NETWORKS")

# Background work. Rows own the work, so a task that is handed out twice does no harm (docs/architecture.md).

WEB_WORKERS = env.number("PORTAL_WEB_WORKERS", default=2)
# A migration that is followed through the portal holds a worker for days; an idle one takes 3 MiB of its own.
TASK_WORKERS = env.number("PORTAL_WORKERS", default=16)
Q_CLUSTER: dict[str, Any] = {
    "name": "portal",
    "label": "Background tasks",
    "orm": "default",
    "workers": 2,
    "queue_limit": 8,
    "bulk": 1,
    "poll": 0.5,
    "guard_cycle": 1,
    "timeout": 120,
    "retry": 180,
    "max_attempts": 3,
    "ack_failures": True,
    "recycle": 200,
    "max_rss": 400_000,
    "save_limit": 500,
    "save_limit_per": "func",
    "catch_up": False,
    "daemonize_workers": True,
    # A migration is conducted for as long as it takes; recovery comes from its lease, not from redelivery.
    "ALT_CLUSTERS": {
        "long": {
            "workers": TASK_WORKERS,
            "queue_limit": max(8, 2 * TASK_WORKERS),
            "timeout": 604_800,
            "retry": 691_200,
        }
    },
}

# Logs go to standard output; the launcher writes them to var/log and rotates them.

LOG_LEVEL = env.text("PORTAL_LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "portal.log_format.LineFormatter",
            "format": "{asctime} {levelname} {name} [{process}] {message}",
            "style": "{",
        }
    },
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": ["stdout"], "level": LOG_LEVEL, "propagate": False},
        "django.server": {"handlers": ["stdout"], "level": LOG_LEVEL, "propagate": False},
        "django-q": {"handlers": ["stdout"], "level": LOG_LEVEL, "propagate": False},
        "axes": {"handlers": ["stdout"], "level": "WARNING", "propagate": False},
    },
}
