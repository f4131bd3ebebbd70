-- +goose Up
-- Money of payments that waits for the merchant (split later, escrow), and parts of payments that are others'.

ALTER TABLE payments ADD COLUMN funds TEXT NOT NULL DEFAULT '';

CREATE TABLE custodies (
    id            ID PRIMARY KEY,
    held_minor    BIGINT NOT NULL CHECK (held_minor >= 0),
    currency      TEXT NOT NULL,
    release_after BIGINT NOT NULL,
    release_at    BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX custodies_due ON custodies (release_at) WHERE release_at > 0 AND held_minor > 0;

CREATE TABLE splits (
    id             ID PRIMARY KEY,
    payment_id     TEXT NOT NULL,
    merchant_id    TEXT NOT NULL,
    receiver_id    TEXT NOT NULL,
    amount_minor   BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency       TEXT NOT NULL,
    returned_minor BIGINT NOT NULL CHECK (returned_minor BETWEEN 0 AND amount_minor),
    state          TEXT NOT NULL,
    reference      TEXT NOT NULL,
    description    TEXT NOT NULL,
    entry_id       TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    done_at        BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX splits_by_payment ON splits (payment_id, id);
CREATE INDEX splits_by_receiver ON splits (receiver_id, id);

CREATE TABLE split_rules (
    id          ID PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    parts       TEXT NOT NULL,
    state       TEXT NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX split_rules_by_merchant ON split_rules (merchant_id, id);
