-- +goose Up
-- Receive codes: of a merchant or one of its stores, printed; of a person, standing or made for one transfer. Whoever
-- sees a code has its token. amount_minor 0 leaves the amount to the payer.
CREATE TABLE qr_codes (
    id           ID PRIMARY KEY,
    token        TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    merchant_id  TEXT NOT NULL,
    store_id     TEXT NOT NULL,
    customer_id  TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 0 AND 9007199254740991),
    currency     TEXT NOT NULL,
    description  TEXT NOT NULL,
    state        TEXT NOT NULL,
    expires_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX qr_codes_by_merchant ON qr_codes (merchant_id, id) WHERE merchant_id <> '';
CREATE INDEX qr_codes_by_customer ON qr_codes (customer_id, id) WHERE customer_id <> '';

-- How often a person was paid by standing codes on a day: many times is a business, which such codes are not for.
CREATE TABLE qr_receipts (
    id         ID PRIMARY KEY,
    counted_on TEXT NOT NULL,
    payments   BIGINT NOT NULL CHECK (payments >= 0)
) CLUSTERED;

-- The hosted page of a payment, under the payment's id. given_back says that a payment that came to nothing does not
-- count as a use of its link any more.
CREATE TABLE checkouts (
    id         ID PRIMARY KEY,
    link_id    TEXT NOT NULL,
    return_url TEXT NOT NULL,
    cancel_url TEXT NOT NULL,
    given_back BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX checkouts_by_link ON checkouts (link_id, id) WHERE link_id <> '' AND NOT given_back;

-- Payment links. uses counts payments made by it that are paid or can still be; uses_max 0 is any number.
CREATE TABLE payment_links (
    id           ID PRIMARY KEY,
    token        TEXT NOT NULL UNIQUE,
    merchant_id  TEXT NOT NULL,
    store_id     TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 0 AND 9007199254740991),
    currency     TEXT NOT NULL,
    description  TEXT NOT NULL,
    return_url   TEXT NOT NULL,
    cancel_url   TEXT NOT NULL,
    uses_max     BIGINT NOT NULL CHECK (uses_max >= 0),
    uses         BIGINT NOT NULL CHECK (uses >= 0),
    state        TEXT NOT NULL,
    expires_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX payment_links_by_merchant ON payment_links (merchant_id, id);
