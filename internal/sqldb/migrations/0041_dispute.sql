-- +goose Up
-- Complaints of payers about payments. hold_id is what is set aside of the merchant's balance; open_key is the payment
-- while the dispute is open: one at a time.
CREATE TABLE disputes (
    id           ID PRIMARY KEY,
    payment_id   TEXT NOT NULL,
    merchant_id  TEXT NOT NULL,
    store_id     TEXT NOT NULL,
    customer_id  TEXT NOT NULL,
    kind         TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency     TEXT NOT NULL,
    complaint    TEXT NOT NULL,
    state        TEXT NOT NULL,
    answer       TEXT NOT NULL,
    reason       TEXT NOT NULL,
    decided_by   TEXT NOT NULL,
    refund_minor BIGINT NOT NULL CHECK (refund_minor BETWEEN 0 AND amount_minor),
    refund_id    TEXT NOT NULL,
    hold_id      TEXT NOT NULL,
    held_minor   BIGINT NOT NULL CHECK (held_minor BETWEEN 0 AND amount_minor),
    files        BIGINT NOT NULL,
    answer_by    BIGINT NOT NULL,
    answered_at  BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    completed_at BIGINT NOT NULL,
    open_key     TEXT
) CLUSTERED;
CREATE UNIQUE INDEX disputes_open ON disputes (open_key);
CREATE INDEX disputes_by_merchant ON disputes (merchant_id, id);
CREATE INDEX disputes_by_customer ON disputes (customer_id, id);
CREATE INDEX disputes_by_state ON disputes (state, id);
CREATE INDEX disputes_due ON disputes (answer_by) WHERE state = 'open';

-- Evidence, sealed.
CREATE TABLE dispute_files (
    id         ID PRIMARY KEY,
    dispute_id TEXT NOT NULL,
    author     TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256     TEXT NOT NULL,
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX dispute_files_by_dispute ON dispute_files (dispute_id, id);
