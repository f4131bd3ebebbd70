-- +goose Up
-- Merchants who sign their requests (RFC 9421): their public keys, and the nonces of signatures that were taken.

ALTER TABLE merchants ADD COLUMN requires_signature BOOLEAN NOT NULL DEFAULT FALSE;

-- valid_until is 0 while nobody ended the key; thumbprint is the SHA-256 of merchant and key.
CREATE TABLE signing_keys (
    id          ID PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    algorithm   TEXT NOT NULL,
    public_key  BYTEA NOT NULL,
    thumbprint  TEXT NOT NULL UNIQUE,
    valid_until BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX signing_keys_by_merchant ON signing_keys (merchant_id, id);

-- id is a hash of key and nonce.
CREATE TABLE signature_nonces (
    id         ID PRIMARY KEY,
    expires_at BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX signature_nonces_by_expiry ON signature_nonces (expires_at);
