-- +goose Up
-- Payments that the merchant captures later, in parts: what they need beyond the payment is a row of its own.

ALTER TABLE payments ADD COLUMN capture TEXT NOT NULL DEFAULT 'automatic';
ALTER TABLE payments ADD COLUMN captured_minor BIGINT NOT NULL DEFAULT 0 CHECK (captured_minor >= 0);
ALTER TABLE payments ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
UPDATE payments SET captured_minor = amount_minor WHERE state = 'succeeded';

CREATE TABLE authorizations (
    id               ID PRIMARY KEY,
    hold_id          TEXT NOT NULL,
    amount_max_minor BIGINT NOT NULL CHECK (amount_max_minor BETWEEN 1 AND 9007199254740991),
    currency         TEXT NOT NULL,
    capture_within   BIGINT NOT NULL,
    capture_before   BIGINT NOT NULL,
    authorized_at    BIGINT NOT NULL,
    factors          TEXT NOT NULL,
    ended            BOOLEAN NOT NULL
) CLUSTERED;
CREATE INDEX authorizations_due ON authorizations (capture_before) WHERE capture_before > 0 AND NOT ended;

CREATE TABLE captures (
    id           ID PRIMARY KEY,
    payment_id   TEXT NOT NULL,
    reference    TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency     TEXT NOT NULL,
    fee_minor    BIGINT NOT NULL CHECK (fee_minor BETWEEN 0 AND amount_minor),
    entry_id     TEXT NOT NULL,
    created_at   BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX captures_by_payment ON captures (payment_id, id);
