-- +goose Up
-- Real-name verification. What a document says is in sealed, AES-256-GCM under a key of the vault; beside it stand only
-- masked forms and keyed hashes. Instants are microseconds since 1970 UTC; 0 is none.

CREATE TABLE identities (
    customer_id       ID PRIMARY KEY,
    state             TEXT NOT NULL,
    reason            TEXT NOT NULL,
    note              TEXT NOT NULL,
    decided_by        TEXT NOT NULL,
    kind              TEXT NOT NULL,
    country           TEXT NOT NULL,
    masked_name       TEXT NOT NULL,
    masked_number     TEXT NOT NULL,
    document_mac      TEXT NOT NULL,
    subject_mac       TEXT NOT NULL,
    sealed            BYTEA NOT NULL,
    sides             TEXT NOT NULL,
    images            BIGINT NOT NULL,
    later             BOOLEAN NOT NULL,
    expires_at        BIGINT NOT NULL,
    noticed_at        BIGINT NOT NULL,
    due_at            BIGINT NOT NULL,
    submissions       BIGINT NOT NULL,
    submissions_since BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX identities_in_review ON identities (customer_id) WHERE state = 'review';
CREATE INDEX identities_due ON identities (due_at) WHERE due_at > 0;
CREATE INDEX identities_by_document ON identities (document_mac);

-- One row for each document that anybody has shown, under the keyed hash of its number.
CREATE TABLE identity_documents (
    mac            ID PRIMARY KEY,
    customer_id    TEXT NOT NULL,
    third_customer TEXT NOT NULL,
    created_at     BIGINT NOT NULL
) CLUSTERED;

-- One row for each customer and channel: CUSTOMER/CHANNEL.
CREATE TABLE identity_checks (
    id           ID PRIMARY KEY,
    customer_id  TEXT NOT NULL,
    channel      TEXT NOT NULL,
    reference    TEXT NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    masked       TEXT NOT NULL,
    sealed       BYTEA NOT NULL,
    answers      BIGINT NOT NULL,
    starts       BIGINT NOT NULL,
    starts_since BIGINT NOT NULL,
    valid_until  BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE identity_images (
    id          ID PRIMARY KEY,
    customer_id TEXT NOT NULL,
    side        TEXT NOT NULL,
    media       TEXT NOT NULL,
    size_bytes  BIGINT NOT NULL,
    sealed      BYTEA NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX identity_images_by_customer ON identity_images (customer_id, id);
