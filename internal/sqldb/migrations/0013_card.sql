-- +goose Up
-- Data keys by purpose and version, wrapped by a key store; a retired one is destroyed.
CREATE TABLE data_keys (
    id          ID PRIMARY KEY,
    purpose     TEXT NOT NULL,
    version     BIGINT NOT NULL CHECK (version BETWEEN 1 AND 4294967294),
    state       TEXT NOT NULL,
    key_store   TEXT NOT NULL,
    wrapped     BYTEA,
    created_at  BIGINT NOT NULL,
    replaced_at BIGINT NOT NULL,
    retired_at  BIGINT NOT NULL,
    clean_at    BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX data_keys_by_purpose ON data_keys (purpose, version);

-- Bound bank cards. sealed_pan and pan_key are destroyed when the binding ends; the mask stays.
CREATE TABLE cards (
    id               ID PRIMARY KEY,
    customer_id      TEXT NOT NULL,
    state            TEXT NOT NULL,
    sealed_pan       BYTEA,
    pan_key          TEXT UNIQUE,
    masked           TEXT NOT NULL,
    issuer           TEXT NOT NULL,
    card_type        TEXT NOT NULL,
    scheme           TEXT NOT NULL,
    expires_on       TEXT NOT NULL,
    phone            TEXT NOT NULL,
    card_token       TEXT NOT NULL,
    agreement_number TEXT NOT NULL,
    decline_code     TEXT NOT NULL,
    tries            BIGINT NOT NULL,
    query_at         BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    bound_at         BIGINT NOT NULL,
    ended_at         BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX cards_by_customer ON cards (customer_id, id);
CREATE INDEX cards_open ON cards (query_at) WHERE state IN ('awaiting_code', 'confirming');

-- What a customer has of cards: how many, which one pays by default.
CREATE TABLE card_holders (
    id           ID PRIMARY KEY,
    cards        BIGINT NOT NULL CHECK (cards >= 0),
    default_card TEXT NOT NULL
) CLUSTERED;

-- How often a customer, or anybody for one card, has asked an issuer lately.
CREATE TABLE card_checks (
    id    ID PRIMARY KEY,
    since BIGINT NOT NULL,
    tries BIGINT NOT NULL
) CLUSTERED;

-- Quick pay agreements, one for each card, under the card's id.
CREATE TABLE card_agreements (
    id                       ID PRIMARY KEY,
    customer_id              TEXT NOT NULL,
    number                   TEXT NOT NULL,
    state                    TEXT NOT NULL,
    currency                 TEXT NOT NULL,
    issuer_transaction_minor BIGINT NOT NULL CHECK (issuer_transaction_minor BETWEEN 1 AND 9007199254740991),
    issuer_day_minor         BIGINT NOT NULL CHECK (issuer_day_minor BETWEEN 1 AND 9007199254740991),
    transaction_minor        BIGINT NOT NULL CHECK (transaction_minor BETWEEN 1 AND issuer_transaction_minor),
    day_minor                BIGINT NOT NULL CHECK (day_minor BETWEEN 1 AND issuer_day_minor),
    used_on                  TEXT NOT NULL,
    used_minor               BIGINT NOT NULL CHECK (used_minor >= 0),
    signed_at                BIGINT NOT NULL,
    checked_at               BIGINT NOT NULL,
    ended_at                 BIGINT NOT NULL
) CLUSTERED;
