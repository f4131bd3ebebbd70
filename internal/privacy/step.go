package privacy

import (
	"context"
	"database/sql"
	"fmt"
)

// Kept is something that must be kept.
type Kept struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// step is one statement of an erasure; its $1 is the subject's id. Where before is set, it runs in front of it.
type step struct {
	what, text string
	before     func(ctx context.Context, tx *sql.Tx, name string) error
}

// customerAtOnce is what no law wants kept: what only served to sign in.
func customerAtOnce() []step {
	return []step{
		{what: "login password", text: `UPDATE customers SET password_hash = '' WHERE id = $1`},
		{what: "payment PIN", text: `DELETE FROM pins WHERE id = $1`},
		{what: "passkeys", text: `DELETE FROM passkeys WHERE customer_id = $1`},
		{what: "challenges of passkeys", text: `DELETE FROM challenges WHERE customer_id = $1`},
		{what: "authenticator app", text: `DELETE FROM totp WHERE id = $1`},
		{what: "gesture locks", text: `DELETE FROM gestures WHERE id IN (SELECT id FROM devices WHERE customer_id = $1)`},
		{what: "requests that apps handed over", text: `DELETE FROM app_requests WHERE customer_id = $1`},
		{what: "receive codes", text: `DELETE FROM qr_codes WHERE customer_id = $1`},
		{what: "counts of receive codes", text: `DELETE FROM qr_receipts WHERE id = $1`},
		{what: "names of devices", text: `UPDATE devices SET name = 'erased' WHERE customer_id = $1`},
		{what: "sessions", text: `DELETE FROM sessions WHERE subject_id = $1 AND subject_kind = 'customer'`},
		{what: "card numbers", text: `UPDATE cards SET sealed_pan = NULL, pan_key = NULL WHERE customer_id = $1`},
	}
}

// customerAtLast is what goes when the time is over. Rows of the books stay, under an id that names nobody any more.
func customerAtLast() []step {
	return []step{
		{what: "name and phone number", text: `UPDATE customers SET name = 'erased', phone = 'erased:' || id WHERE id = $1`},
		{what: "devices", text: `DELETE FROM devices WHERE customer_id = $1`},
		{what: "bank accounts", text: `UPDATE bank_accounts SET bank_token = '', bank_name = '', masked = ''
			WHERE customer_id = $1`},
		{what: "bank tokens of attempts", text: `UPDATE attempts SET bank_token = '' WHERE customer_id = $1`},
		{what: "images of documents", text: `DELETE FROM identity_images WHERE customer_id = $1`},
		{what: "checks of documents", text: `DELETE FROM identity_checks WHERE id > $1 || '/' AND id < $1 || '0'`},
		{what: "documents", text: `DELETE FROM identities WHERE customer_id = $1`},
		// A document that another customer has shown too stays that one's: a keyed hash of its number.
		{what: "documents that nobody else has shown", text: `DELETE FROM identity_documents
			WHERE customer_id IN ('', $1) AND third_customer IN ('', $1)`},
		{what: "documents that somebody else has shown", text: `UPDATE identity_documents SET
			customer_id = CASE WHEN customer_id = $1 THEN '' ELSE customer_id END,
			third_customer = CASE WHEN third_customer = $1 THEN '' ELSE third_customer END
			WHERE customer_id = $1 OR third_customer = $1`},
		{
			what: "cards",
			text: `UPDATE cards SET masked = '', expires_on = '', phone = '', card_token = '', agreement_number = ''
			WHERE customer_id = $1`,
		},
		{what: "numbers of card agreements", text: `UPDATE card_agreements SET number = '' WHERE customer_id = $1`},
		{what: "payment instructions", text: `DELETE FROM payment_instructions
			WHERE id IN (SELECT id FROM payments WHERE customer_id = $1)`},
		{what: "default card", text: `DELETE FROM card_holders WHERE id = $1`},
		{what: "sums of what was paid", text: `DELETE FROM limit_counters WHERE id > $1 || '/' AND id < $1 || '0'`},
		{
			what: "notes of transfers", text: `UPDATE wallet_transfers SET note = '' WHERE payer_id = $1`,
			before: eraseAnnouncedNotes,
		},
	}
}

func customerKept(r Retention) []Kept {
	return []Kept{
		{"name, phone number and linked bank accounts", r.identity()},
		{"document, its images, and the checks of it", r.identity()},
		{"cards without their numbers, and their agreements", r.identity()},
		{"payments, transfers, top-ups and withdrawals", r.transactions()},
		{"entries of the books", "accounting records; they name an id and no person"},
		{"audit records", evidence},
	}
}

const evidence = "evidence of what was done; they name ids and network addresses, and a customer masked"

func userAtOnce() []step {
	return []step{
		{what: "login password and invitation", text: `UPDATE merchant_users SET password_hash = '', invitation_hash = NULL,
			invited_until = 0 WHERE id = $1`},
		{what: "authenticator app", text: `DELETE FROM totp WHERE id = $1`},
		{what: "sessions", text: `DELETE FROM sessions WHERE subject_id = $1 AND subject_kind = 'merchant_user'`},
	}
}

func userAtLast() []step {
	return []step{
		{
			what: "name and e-mail address",
			text: `UPDATE merchant_users SET name = 'erased', email = 'erased:' || id WHERE id = $1`,
		},
	}
}

func userKept(r Retention) []Kept {
	return []Kept{
		{"name, e-mail address, merchant and role: who acted for the merchant", r.identity()},
		{"audit records", evidence},
	}
}

func applicationAtOnce() []step {
	return []step{
		{what: "the applicant's token", text: `UPDATE merchant_applications SET token_hash = 'erased:' || id WHERE id = $1`},
	}
}

func applicationAtLast() []step {
	return []step{
		{what: "documents", text: `DELETE FROM merchant_documents WHERE application_id = $1`},
		{
			what: "contact, legal representative, beneficial owners and settlement account",
			text: `DELETE FROM merchant_applications WHERE id = $1`,
		},
	}
}

func applicationKept(r Retention) []Kept {
	return []Kept{
		{"contact, legal representative, beneficial owners, settlement account and documents", r.identity()},
		{"audit records", "evidence of what was decided; they name ids and the company"},
	}
}

func (r Retention) identity() string {
	return fmt.Sprintf("%s: %d years after the relationship has ended", r.Source, r.Years)
}

func (r Retention) transactions() string {
	return fmt.Sprintf("%s: %d years after the transaction", r.Source, r.Years)
}
