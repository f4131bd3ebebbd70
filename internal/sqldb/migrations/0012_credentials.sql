-- +goose Up
-- Texts to phones, one-time codes, passkeys, TOTP, gesture locks.

CREATE TABLE messages (
    id         ID PRIMARY KEY,
    phone      TEXT NOT NULL,
    template   TEXT NOT NULL,
    sealed     BYTEA NOT NULL,
    state      TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE message_counts (
    id   ID PRIMARY KEY,
    n    BIGINT NOT NULL,
    day  TEXT NOT NULL
) CLUSTERED;

CREATE TABLE one_time_codes (
    id         ID PRIMARY KEY,
    purpose    TEXT NOT NULL,
    phone      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    mac        TEXT NOT NULL,
    tries      BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX one_time_codes_due ON one_time_codes (expires_at);

CREATE TABLE code_sends (
    id      ID PRIMARY KEY,
    code_id TEXT NOT NULL,
    next_at BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE challenges (
    id          ID PRIMARY KEY,
    purpose     TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    device_id   TEXT NOT NULL,
    nonce       TEXT NOT NULL,
    used_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX challenges_due ON challenges (expires_at);

CREATE TABLE passkeys (
    id            ID PRIMARY KEY,
    customer_id   TEXT NOT NULL,
    credential_id TEXT NOT NULL UNIQUE,
    public_key    BYTEA NOT NULL,
    sign_count    BIGINT NOT NULL,
    name          TEXT NOT NULL,
    synced        BOOLEAN NOT NULL,
    state         TEXT NOT NULL,
    used_at       BIGINT NOT NULL,
    created_at    BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX passkeys_by_customer ON passkeys (customer_id, id);

CREATE TABLE totp (
    id           ID PRIMARY KEY,
    sealed       BYTEA NOT NULL,
    last_step    BIGINT NOT NULL,
    failures     BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    recovery     TEXT NOT NULL,
    created_at   BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE gestures (
    id         ID PRIMARY KEY,
    mac        TEXT NOT NULL,
    failures   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) CLUSTERED;

-- A PIN that was reset without the old one cools off, and the old one can be put back meanwhile.
ALTER TABLE pins ADD COLUMN cooling_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pins ADD COLUMN previous_mac TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN idle_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN proves BOOLEAN NOT NULL DEFAULT FALSE;
