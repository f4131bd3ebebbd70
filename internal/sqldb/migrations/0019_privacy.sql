-- +goose Up
-- Merchants' users and applicants are erased as customers are. Code that does not know the new name of the column
-- refuses to erase meanwhile, and loses nothing.
ALTER TABLE erasures RENAME COLUMN customer_id TO subject;
ALTER TABLE erasures ADD COLUMN kind TEXT NOT NULL DEFAULT 'customer';
CREATE INDEX erasures_due ON erasures (retain_until) WHERE state = 'retained';

CREATE INDEX merchant_documents_by_application ON merchant_documents (application_id);
CREATE INDEX merchant_applications_idle ON merchant_applications (updated_at)
    WHERE state IN ('draft', 'more_needed', 'refused');

-- Reviewers read those of one state, in their order, among the drafts of strangers.
CREATE INDEX merchant_applications_by_state ON merchant_applications (state, id);
DROP INDEX merchant_applications_open;
