-- +goose Up
-- The payment account class of a customer: 0 not verified, 1, 2, 3.
ALTER TABLE customers ADD COLUMN account_class BIGINT NOT NULL DEFAULT 0;
