"""All settings, one block per concern. Each value comes from the environment; ``.env.example`` lists them."""

from pathlib import Path

from csp.constants import NONE, SELF

from chatproject import env, places
from chatproject.celery import app as celery_app  # noqa: F401 -- who has the settings has the Celery application

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR / ".env")

VAR_DIR = places.var_dir(BASE_DIR)
"""Where this copy keeps its database, broker data and secret key."""

# --- Web -------------------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY") or places.secret_key(VAR_DIR)
PUBLIC_URL = places.public_url()
"""The address that people type, for links that are printed."""
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ",".join(places.known_hosts()))
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", PUBLIC_URL)
ROOT_URLCONF = "chatproject.urls"
ASGI_APPLICATION = "chatproject.asgi.application"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "threads",
    "runs",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "chatproject.giving_back.give_back",  # around everything that asks the database
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # static files are compressed beforehand
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "chatproject.language.LanguageOfThePerson",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "chatproject.errors.DatabaseAway",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "threads.preferences.of_the_person",
            ],
        },
    },
]

# --- Security --------------------------------------------------------------------------------------------------------
HTTPS = env.flag("HTTPS", default=False)
"""Whether people reach this copy over https (through a proxy that sets X-Forwarded-Proto)."""
SESSION_COOKIE_NAME = places.cookie_name("sessionid", SECRET_KEY)
CSRF_COOKIE_NAME = places.cookie_name("csrftoken", SECRET_KEY)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Whether the other names of the domain are served over https only is not ours to promise.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- People ----------------------------------------------------------------------------------------------------------
SIGN_UP = env.flag("SIGN_UP", default=False)
"""Whether strangers may make an account of their own."""
AUTHENTICATION_BACKENDS = ["threads.accounts.People"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "threads"
LOGOUT_REDIRECT_URL = "sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- Database --------------------------------------------------------------------------------------------------------
_database = env.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'polyphony.sqlite3'}")
if _database["ENGINE"].endswith("sqlite3"):
    # A write transaction that begins as a read dies of "database is locked" under load, so each begins IMMEDIATE.
    # Who waits for another process is not served in turn: on a busy machine a shorter timeout refuses people who need
    # not be.
    _database["ENGINE"] = "chatproject.sqlite"
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    from chatproject.pool import GIVE_UP, try_again

    # A thread that waits for a vendor gives its connection back to the pool of its process, so 5 s without a free one
    # mean that the server is away.
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "pool": {
            "min_size": 1,
            "max_size": env.number("DATABASE_POOL", 8, high=1000),
            "timeout": 5,
            "reconnect_timeout": GIVE_UP,
            "reconnect_failed": try_again,
        },
    }
    # A server that was restarted leaves a pool full of dead connections; each is tried before somebody is given it.
    _database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: broker, channel layer and live text ----------------------------------------------------------------------
REDIS_URL = places.redis_url() or places.running_broker(VAR_DIR) or "redis://127.0.0.1:6379/0"
CHANNEL_LAYERS = {"default": {"BACKEND": "threads.channel.ThreadLayer", "CONFIG": {"hosts": [REDIS_URL]}}}

# --- Celery ----------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_RESULT_BACKEND = "runs.broker.Results+" + REDIS_URL.replace("unix://", "socket://", 1)
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.number("WORKER_CONCURRENCY", 400, high=2000)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = 3600
# Else each thread has one of its own, with its own connection: a new one for each request, 400 in a worker.
CELERY_RESULT_BACKEND_THREAD_SAFE = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Recovery is the sweeper's work, so what a worker has taken is not written to Redis a second time: that bookkeeping was
# a sixth of a worker's CPU, and brings back neither all that is lost nor in time. A worker that ends puts its own back.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "ack_emulation": False,
    "socket_timeout": 10,
    "socket_connect_timeout": 2,
    "socket_keepalive": not REDIS_URL.startswith("unix"),
}
# Of a frozen broker one caller waits for an answer; the others should not wait for that one's connection without end.
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = 1
# Shared by all threads (below), each of which may end a draft at the same moment.
CELERY_REDIS_MAX_CONNECTIONS = CELERY_WORKER_CONCURRENCY
# A result that is not stored costs a chord, which the sweeper mends; it should not hold a thread for long.
CELERY_REDIS_SOCKET_TIMEOUT = 2
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2}
}
CELERY_TIMEZONE = "UTC"
# For whoever runs `celery beat`; without it each worker, and seldom each web process, looks by itself.
CELERY_BEAT_SCHEDULE = {"sweep": {"task": "polyphony.sweep", "schedule": env.seconds("SWEEP_SECONDS", 5)}}

# --- Models ----------------------------------------------------------------------------------------------------------
MODELS_FILE = Path(env.text("MODELS_FILE", str(BASE_DIR / "chatproject" / "models.toml")))
"""The catalogue of models: labels, context windows, prices, capabilities."""
PROVIDERS = places.providers()
"""By name: what is needed to reach each configured provider."""
PROVIDER_LIMITS = places.provider_limits(PROVIDERS)
"""By name: how many requests a provider takes at once and a minute, from all workers together."""
FALLBACK_MASTERS = env.words("FALLBACK_MASTERS")
"""Model ids that are asked in turn when a run's master cannot write the final answer."""

# --- Runs ------------------------------------------------------------------------------------------------------------
PROMPT_MAX_CHARS = env.number("PROMPT_MAX_CHARS", 100_000)
MODELS_PER_RUN_MAX = env.number("MODELS_PER_RUN_MAX", 8, high=64)
OUTPUT_MAX_CHARS = env.number("OUTPUT_MAX_CHARS", 1_000_000)
"""A generation that grows longer than this ends there, marked as cut."""
OUTPUT_MAX_TOKENS = env.number("OUTPUT_MAX_TOKENS", 8192)
ATTEMPTS_MAX = env.number("ATTEMPTS_MAX", 3, high=20)
ACTIVE_RUNS_PER_USER_MAX = env.number("ACTIVE_RUNS_PER_USER_MAX", 10)
ACTIVE_GENERATIONS_MAX = env.number("ACTIVE_GENERATIONS_MAX", 400)
"""New runs are refused while this many generations of all people wait or stream."""
LEASE_SECONDS = env.seconds("LEASE_SECONDS", 30)
CHECKPOINT_SECONDS = env.seconds("CHECKPOINT_SECONDS", 1)
FLUSH_SECONDS = env.seconds("FLUSH_SECONDS", 0.025)
"""How long deltas gather at the most before they are sent to the sockets; less while few models write."""
SWEEP_SECONDS = env.seconds("SWEEP_SECONDS", 5)
DELETED_KEEP_SECONDS = env.seconds("DELETED_KEEP_SECONDS", 3600)
"""How long a deleted thread can be had back before it is removed for good."""
CONNECT_TIMEOUT = env.seconds("CONNECT_TIMEOUT", 5)
FIRST_TOKEN_TIMEOUT = env.seconds("FIRST_TOKEN_TIMEOUT", 60)
IDLE_TIMEOUT = env.seconds("IDLE_TIMEOUT", 30)
GENERATION_TIMEOUT = env.seconds("GENERATION_TIMEOUT", 300)
SYNTHESIS_TIMEOUT = env.seconds("SYNTHESIS_TIMEOUT", 180)
RUN_TIMEOUT = env.seconds("RUN_TIMEOUT", 600)
QUEUE_TIMEOUT = env.seconds("QUEUE_TIMEOUT", 60)
"""A generation that waited this long for a worker fails as overloaded instead of being written late."""
env.require(
    RUN_TIMEOUT > SYNTHESIS_TIMEOUT,
    "RUN_TIMEOUT must be longer than SYNTHESIS_TIMEOUT, since the master's time is kept free for it.",
)
env.require(
    LEASE_SECONDS >= 3 * CHECKPOINT_SECONDS,
    "LEASE_SECONDS must be at least three times CHECKPOINT_SECONDS, since each checkpoint renews the lease.",
)

# --- REST ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["threads.inputs.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "runs.errors.explain",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Polyphony",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["threads.openapi.add_views"],
}

# --- Language, time, static files, logs ------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
# Only languages that have a catalogue of ours: else Django's words would stand among English ones.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "chatproject" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "chatproject.static_files.StaticFiles"},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": env.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")).upper(),
    },
    "loggers": {
        # The SDKs' transport tells every request; what matters of it stands in the generation.
        **{name: {"level": "WARNING"} for name in ("httpx2", "httpcore2")},
        # It tells each attempt to connect, several a second while the server is away; whoever needed it says that too.
        "psycopg.pool": {"level": "ERROR"},
    },
}
