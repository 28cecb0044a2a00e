"""Settings: `ripen.toml` in the workspace, overridden by `RIPEN_*` variables; secrets only by environment."""

from __future__ import annotations

import secrets
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from nurture.errors import BadSetting

SECRET_FILE = ".ripen-secret"  # noqa: S105 - the name of a file


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProjectSettings(_Part):
    """The business, as its mails show it."""

    name: str = "Northwind Instruments"
    url: str = "https://www.example.com"
    postal_address: str = "Northwind Instruments, 1 Example Street, 1000 Exampletown"
    time_zone: str = "Europe/Copenhagen"
    country: str = "DK"
    language: str = "en"


class SenderSettings(_Part):
    """Whom the mails come from."""

    name: str = "Northwind Instruments"
    address: str = "hello@example.com"
    title: str = ""
    phone: str = ""
    reply_to: str | None = None


class EmailSettings(_Part):
    """How mails leave; the default writes them to a folder, so that nothing is sent by accident."""

    transport: Literal[
        "eml", "smtp", "postmark", "sendgrid", "mailgun", "ses", "resend", "brevo", "console", "memory"
    ] = "eml"
    folder: str = "outbox"
    host: str = "127.0.0.1"
    port: int = 25
    username: str | None = None
    password: SecretStr | None = None
    security: Literal["none", "starttls", "tls"] = "starttls"
    api_key: SecretStr | None = None
    api_url: str | None = None
    test_mode: bool = False
    batch: int | None = Field(None, ge=1)
    stream: str = "broadcast"
    domain: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    configuration_set: str | None = None
    timeout_seconds: float = 30
    reply_timeout_seconds: float = 600
    lease_seconds: float = 900
    limit_per_run: int = 20_000
    connections: int = Field(4, ge=1, le=100)
    rate_per_second: float | None = Field(None, gt=0)
    daily_limit: int | None = Field(None, ge=1)
    ramp_up_from: date | None = None
    ramp_up_first_day: int = Field(200, ge=1)
    ramp_up_growth: float = Field(1.5, ge=1, le=10)
    bounce_address: str | None = None
    unsubscribe_address: str | None = None
    dkim_key: SecretStr | None = None
    dkim_selector: str = "ripen"
    dkim_domain: str | None = None


class TrackingSettings(_Part):
    """Whether mails are measured at all; topics and leads can say no for themselves."""

    clicks: bool = True
    opens: bool = True


class FolderSourceSettings(_Part):
    """A folder that is watched for event files."""

    kind: Literal["folder"]
    name: str
    path: str
    mapping: str | None = None
    settle_seconds: int = 5
    silent: bool = False


class HttpSourceSettings(_Part):
    """A JSON source that is paged by a cursor."""

    kind: Literal["http"]
    name: str
    url: str
    token_env: str | None = None
    items: str = "items"
    cursor: str = "next"
    cursor_parameter: str = "cursor"
    mapping: str | None = None
    silent: bool = False


class ImapSourceSettings(_Part):
    """A mailbox to which replies and bounces come back."""

    kind: Literal["imap"]
    name: str
    host: str
    port: int = 993
    username: str
    password_env: str
    folder: str = "INBOX"
    move_to: str | None = None
    security: Literal["tls", "starttls", "none"] = "tls"
    certificates: str | None = None
    silent: bool = False


class WebSettings(_Part):
    """The web door; on loopback unless told."""

    host: str = "127.0.0.1"
    port: int = 8377
    base_url: str = "http://127.0.0.1:8377"


class HooksSettings(_Part):
    """Secrets of the providers' webhooks, by environment; a provider without one is not heard."""

    postmark: SecretStr | None = None
    sendgrid: SecretStr | None = None
    mailgun: SecretStr | None = None
    amazon_ses: SecretStr | None = None
    resend: SecretStr | None = None
    brevo: SecretStr | None = None

    def secrets(self) -> dict[str, tuple[str, ...]]:
        """The secrets of each provider that has any; several are separated by blanks."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        words = {name: tuple(secret.get_secret_value().split()) for name, secret in given.items() if secret}
        return {name: each for name, each in words.items() if each}


class RetentionSettings(_Part):
    """How long things are kept that nothing needs any more, in days."""

    provider_facts_days: int = Field(90, ge=1)
    event_traces_days: int = Field(90, ge=1)
    settled_letters_days: int = Field(90, ge=1)
    mail_files_days: int = Field(90, ge=1)
    exports_days: int = Field(30, ge=1)
    run_notes_days: int = Field(400, ge=7)
    quiet_leads_days: int | None = Field(None, ge=30)
    quiet_leads: Literal["propose", "erase"] = "propose"
    rows_per_run: int = Field(50_000, ge=1)


class Settings(BaseSettings):
    """Everything that a workspace may set."""

    model_config = SettingsConfigDict(env_prefix="RIPEN_", env_nested_delimiter="__", extra="ignore")

    database_url: str = ""
    profile: Literal["b2b", "b2c"] = "b2b"
    secret: SecretStr | None = None
    project: ProjectSettings = Field(default_factory=ProjectSettings)
    sender: SenderSettings = Field(default_factory=SenderSettings)
    email: EmailSettings = Field(default_factory=EmailSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    hooks: HooksSettings = Field(default_factory=HooksSettings)
    sources: list[FolderSourceSettings | HttpSourceSettings | ImapSourceSettings] = Field(default_factory=list)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    audiences_folder: str = "audiences"
    crm_folder: str = "sales"
    home: Path = Path()
    # Read once: every mail asks for it several times.
    _secret: bytes | None = PrivateAttr(None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file, file before defaults."""
        home = Path(init_settings.init_kwargs.get("home", "."))  # type: ignore[attr-defined]
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=home / "ripen.toml")

    @property
    def templates(self) -> Path:
        """The marketer's room of this workspace."""
        return self.home / "templates"

    def inside(self, path: str) -> Path:
        """A path of the settings, seen from the workspace."""
        return self.home / path

    def secret_bytes(self) -> bytes:
        """The key behind hashes, message keys and links: `RIPEN_SECRET`, else a file made on first use (mode 600)."""
        if self._secret is None:
            self._secret = self._read_secret()
        return self._secret

    def _read_secret(self) -> bytes:
        if self.secret is not None:
            return self.secret.get_secret_value().encode()
        path = self.home / SECRET_FILE
        try:
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(secrets.token_hex(32))
            return path.read_text().strip().encode()
        except OSError as error:
            raise BadSetting(
                f"cannot read or make {path}: {error.strerror}; set RIPEN_SECRET, or make the folder writable"
            ) from error


def load_settings(home: Path, **overrides: Any) -> Settings:
    """Read the settings of a workspace; raises BadSetting that names the key and the remedy."""
    home = home.expanduser().absolute()
    toml = home / "ripen.toml"
    try:
        settings = Settings(home=home, **overrides)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'settings'}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False)
        )
        raise BadSetting(f"{toml}: {problems}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{toml} is not valid TOML: {error}") from None
    if not settings.database_url:
        settings.database_url = f"sqlite:///{home / 'ripen.db'}"
    elif settings.database_url.startswith("sqlite:///") and not settings.database_url.startswith("sqlite:////"):
        settings.database_url = f"sqlite:///{home / settings.database_url.removeprefix('sqlite:///')}"
    return settings
