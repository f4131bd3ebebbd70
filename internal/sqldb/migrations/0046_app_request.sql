-- +goose Up
-- Payments that a merchant's app hands to the wallet. customer_id is who opened the request first: it is nobody else's then.
CREATE TABLE app_requests (
    id          ID PRIMARY KEY,
    payment_id  TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    app         TEXT NOT NULL,
    return_url  TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    opened_at   BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX app_requests_by_customer ON app_requests (customer_id, id) WHERE customer_id <> '';

-- The two halves of payment instructions, as JSON, with the salts of their hashes and the signature that links them.
CREATE TABLE payment_instructions (
    id           ID PRIMARY KEY,
    order_text   TEXT NOT NULL,
    order_salt   TEXT NOT NULL,
    payment_text TEXT NOT NULL,
    payment_salt TEXT NOT NULL,
    link         TEXT NOT NULL,
    created_at   BIGINT NOT NULL
) CLUSTERED;
