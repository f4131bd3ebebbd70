-- +goose Up
-- Who is kept out, and until when: an address (address:203.0.113.7) or a caller (caller:key_…). One row each.
CREATE TABLE edge_blocks (
    id         ID PRIMARY KEY,
    subject    TEXT NOT NULL UNIQUE,
    rule       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    blocked_by TEXT NOT NULL,
    since      BIGINT NOT NULL,
    until      BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX edge_blocks_active ON edge_blocks (until);

-- Stores of a merchant. A payment may name one.
CREATE TABLE stores (
    id          ID PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    address     TEXT NOT NULL,
    state       TEXT NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX stores_by_merchant ON stores (merchant_id, id);
ALTER TABLE payments ADD COLUMN store_id TEXT NOT NULL DEFAULT '';

-- A sub-merchant has the merchant that brought it as its parent.
ALTER TABLE merchants ADD COLUMN parent_id TEXT NOT NULL DEFAULT '';
CREATE INDEX merchants_by_parent ON merchants (parent_id, id) WHERE parent_id <> '';

-- People who work for a merchant. Without a password they are invited: who has the invitation sets it.
CREATE TABLE merchant_users (
    id                 ID PRIMARY KEY,
    merchant_id        TEXT NOT NULL,
    store_id           TEXT NOT NULL,
    email              TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    role               TEXT NOT NULL,
    password_hash      TEXT NOT NULL,
    failures           BIGINT NOT NULL,
    locked_until       BIGINT NOT NULL,
    state              TEXT NOT NULL,
    invitation_hash    TEXT UNIQUE,
    invited_until      BIGINT NOT NULL,
    created_at         BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX merchant_users_by_merchant ON merchant_users (merchant_id, id);

-- Applications of merchants. private is sealed: people's names and numbers, the settlement account. documents lists
-- what is uploaded, as JSON.
CREATE TABLE merchant_applications (
    id          ID PRIMARY KEY,
    token_hash  TEXT NOT NULL UNIQUE,
    state       TEXT NOT NULL,
    company     TEXT NOT NULL,
    uscc        TEXT NOT NULL,
    category    TEXT NOT NULL,
    email       TEXT NOT NULL,
    private     BYTEA NOT NULL,
    documents   TEXT NOT NULL,
    reason      TEXT NOT NULL,
    reviewed_by TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    owner_id    TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    decided_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX merchant_applications_open ON merchant_applications (id) WHERE state = 'submitted';

-- The content of documents, sealed; empty where it was removed.
CREATE TABLE merchant_documents (
    id             ID PRIMARY KEY,
    application_id TEXT NOT NULL,
    sealed         BYTEA NOT NULL,
    created_at     BIGINT NOT NULL
) CLUSTERED;
