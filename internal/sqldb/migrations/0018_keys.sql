-- +goose Up
-- Sessions that began until sessions_until have ended, but for kept_session: a lost app, a new password or another role
-- ends them in its own commit, however many there are.
ALTER TABLE customers ADD COLUMN sessions_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE customers ADD COLUMN kept_session TEXT NOT NULL DEFAULT '';
ALTER TABLE staff ADD COLUMN sessions_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE staff ADD COLUMN kept_session TEXT NOT NULL DEFAULT '';
ALTER TABLE merchant_users ADD COLUMN sessions_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE merchant_users ADD COLUMN kept_session TEXT NOT NULL DEFAULT '';

-- What a recovered wallet has paid since, as a share of what it may; wrong documents shown at a recovery.
ALTER TABLE pins ADD COLUMN cooling_spent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pins ADD COLUMN document_failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pins ADD COLUMN document_locked_until BIGINT NOT NULL DEFAULT 0;

-- Keyed hashes of name and number: of the document that was shown, and of the last one that was verified, which a
-- recovery asks for. They are empty for documents of before.
ALTER TABLE identities ADD COLUMN person_mac TEXT NOT NULL DEFAULT '';
ALTER TABLE identities ADD COLUMN verified_mac TEXT NOT NULL DEFAULT '';
