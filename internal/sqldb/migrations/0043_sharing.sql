-- +goose Up
-- Where the money of payments goes that a link or a printed code makes, as JSON; '' is the merchant's at once.
ALTER TABLE payment_links ADD COLUMN sharing TEXT NOT NULL DEFAULT '';
ALTER TABLE qr_codes ADD COLUMN sharing TEXT NOT NULL DEFAULT '';
