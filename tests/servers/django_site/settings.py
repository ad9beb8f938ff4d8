"""A Django project as many are: each request is a transaction."""

import os

from psycopg.conninfo import conninfo_to_dict

_given = conninfo_to_dict(os.environ["PGQUEUE_DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "ATOMIC_REQUESTS": True,
        "NAME": _given["dbname"],
        "USER": _given.get("user", ""),
        "PASSWORD": _given.get("password", ""),
        "HOST": _given.get("host", ""),
        "PORT": _given.get("port", ""),
        "TEST": {"NAME": f"{_given['dbname']}_django"},
        "OPTIONS": {"pool": True, "server_side_binding": True} if os.environ.get("SITE_POOL") else {},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["tests.servers.django_site"]
MIGRATION_MODULES = {"django_site": None}
ROOT_URLCONF = "tests.servers.django_site.views"
ALLOWED_HOSTS = ["testserver"]
SECRET_KEY = "of the tests"
USE_TZ = True
