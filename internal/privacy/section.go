package privacy

import (
	"context"
	"slices"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
)

// Section is one part of an export: a query whose $1 is the subject's id. Columns that end in _at are instants. What
// is sealed is opened by open, which puts it into the object that the export shows of the row, or says that the row
// is not shown.
type Section struct {
	Name, Query string

	open opener
}

type opener func(ctx context.Context, p *Privacy, s Subject, row, shown map[string]any) (bool, error)

// Sections lists what an export of a kind of subject has.
func Sections(kind Kind) []Section { return policyOf(kind).sections }

// aboutSections are what is held about anybody: what the trail says of the subject, and the wish to be forgotten.
func aboutSections() []Section {
	return []Section{
		{Name: "audit_records", Query: `SELECT id, at AS recorded_at, kind, actor_kind, device, address, reason
			FROM audit_records WHERE subject = $1 OR actor = $1 ORDER BY at, id`},
		{Name: "erasures", Query: `SELECT id, kind, jurisdiction, state, reason, retain_until AS retain_until_at,
			created_at, finished_at FROM erasures WHERE subject = $1`},
	}
}

// customerSections is the table of all that is held about a customer, but for secrets (hashes of passwords and PINs,
// tokens), which nobody may carry away. A card's number is not in it either: its holder has the card, and a file with
// it would be worth stealing. What a document says and its images are, since they are what is held about the person.
func customerSections() []Section {
	plain := []Section{
		{Name: "customer", Query: `SELECT id, phone, name, state, account_class,
			locked_until AS locked_until_at, created_at FROM customers
			WHERE id = $1`},
		{Name: "payment_pin", Query: `SELECT updated_at, locked_until AS locked_until_at,
			cooling_until AS cooling_until_at FROM pins WHERE id = $1`},
		{
			Name:  "devices",
			Query: `SELECT id, name, state, proves, created_at FROM devices WHERE customer_id = $1 ORDER BY id`,
		},
		{Name: "sessions", Query: `SELECT id, device_id, created_at, expires_at, revoked_at FROM sessions
			WHERE subject_id = $1 AND subject_kind = 'customer' ORDER BY id`},
		{Name: "bank_accounts", Query: `SELECT id, channel, bank_name, masked, currency, state, created_at
			FROM bank_accounts WHERE customer_id = $1 ORDER BY id`},
		{Name: "accounts", Query: `SELECT id, code, currency, state, debits_posted, credits_posted, debits_pending,
			credits_pending, credit_line, last_posted_at, created_at
			FROM accounts WHERE owner = $1 ORDER BY id`},
		{Name: "postings", Query: `SELECT t.id, t.code AS reason, t.subject, t.debit_account, t.credit_account,
			t.amount_minor, t.currency,
			t.posted_at, t.business_on FROM transfers t JOIN accounts a ON a.id IN (t.debit_account, t.credit_account)
			WHERE a.owner = $1 ORDER BY t.id`},
		{Name: "payments", Query: `SELECT id, merchant_id, store_id, flow, amount_minor, currency, refunded_minor, state,
			decline_code, description, device_id, capture, captured_minor, metadata, card, created_at, expires_at,
			completed_at
			FROM payments WHERE customer_id = $1 ORDER BY id`},
		{Name: "authorizations", Query: `SELECT a.id AS payment_id, a.amount_max_minor, a.currency, a.capture_within,
			a.capture_before AS capture_before_at, a.authorized_at, a.factors, a.ended
			FROM authorizations a JOIN payments p ON p.id = a.id WHERE p.customer_id = $1 ORDER BY a.id`},
		{Name: "captures", Query: `SELECT c.id, c.payment_id, c.amount_minor, c.currency, c.created_at
			FROM captures c JOIN payments p ON p.id = c.payment_id WHERE p.customer_id = $1 ORDER BY c.id`},
		{
			Name: "refunds",
			Query: `SELECT r.id, r.payment_id, r.amount_minor, r.currency, r.state, r.reason, r.origin, r.asked_by,
			r.decline_code, r.completed_at, r.created_at
			FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.customer_id = $1 ORDER BY r.id`,
		},
		{Name: "disputes", Query: `SELECT id, payment_id, merchant_id, store_id, kind, amount_minor, currency, complaint,
			state, answer, reason, refund_minor, answer_by AS answer_by_at, answered_at, created_at, completed_at
			FROM disputes WHERE customer_id = $1 ORDER BY id`},
		{Name: "dispute_files", Query: `SELECT f.id, f.dispute_id, f.author, f.media_type, f.size_bytes, f.sha256,
			f.created_at, f.sealed FROM dispute_files f JOIN disputes d ON d.id = f.dispute_id
			WHERE d.customer_id = $1 ORDER BY f.id`, open: openEvidence},
		{Name: "transfers", Query: `SELECT id, payer_id, payee_id, amount_minor, currency, note, state, created_at
			FROM wallet_transfers WHERE payer_id = $1 OR payee_id = $1 ORDER BY id`},
		{
			Name: "top_ups",
			Query: `SELECT id, bank_account_id, card_id, amount_minor, currency, state, decline_code, created_at,
			completed_at
			FROM top_ups WHERE customer_id = $1 ORDER BY id`,
		},
		{Name: "withdrawals", Query: `SELECT id, bank_account_id, card_id, amount_minor, currency, state, decline_code,
			created_at, completed_at
			FROM payouts WHERE customer_id = $1 ORDER BY id`},
		{Name: "channel_attempts", Query: `SELECT id, kind, channel, amount_minor, currency, state, decline_code,
			created_at, sent_at, updated_at
			FROM attempts WHERE customer_id = $1 ORDER BY id`},
		{Name: "receive_codes", Query: `SELECT id, amount_minor, currency, description, state, expires_at, created_at
			FROM qr_codes WHERE customer_id = $1 ORDER BY id`},
		{Name: "receive_code_payments", Query: `SELECT counted_on, payments FROM qr_receipts WHERE id = $1`},
		{Name: "app_requests", Query: `SELECT id, payment_id, app, expires_at, created_at, opened_at FROM app_requests
			WHERE customer_id = $1 ORDER BY id`},
		{Name: "payment_instructions", Query: `SELECT i.id AS payment_id, i.order_text, i.payment_text, i.created_at
			FROM payment_instructions i JOIN payments p ON p.id = i.id WHERE p.customer_id = $1 ORDER BY i.id`},
		{Name: "blocks", Query: `SELECT id, rule, reason, since AS since_at, until AS until_at FROM edge_blocks
			WHERE subject = 'caller:' || $1 ORDER BY id`},
	}
	return slices.Concat(plain, credentialSections(), verificationSections(), cardSections(), aboutSections())
}

// credentialSections show that there are credentials and never what they are.
func credentialSections() []Section {
	return []Section{
		{Name: "passkeys", Query: `SELECT id, name, synced, state, used_at, created_at FROM passkeys
			WHERE customer_id = $1 ORDER BY id`},
		{Name: "passkey_challenges", Query: `SELECT id, purpose, device_id, used_at, expires_at, created_at
			FROM challenges
			WHERE customer_id = $1 ORDER BY id`},
		{Name: "authenticator_app", Query: `SELECT confirmed_at, locked_until AS locked_until_at, created_at FROM totp
			WHERE id = $1`},
		{Name: "gesture_locks", Query: `SELECT g.id AS device_id, g.updated_at FROM gestures g
			JOIN devices d ON d.id = g.id WHERE d.customer_id = $1 ORDER BY g.id`},
		{Name: "texts", Query: `SELECT m.id, m.template, m.state, m.expires_at, m.ended_at, m.created_at FROM messages m
			JOIN customers c ON c.phone = m.phone WHERE c.id = $1 ORDER BY m.id`},
	}
}

func verificationSections() []Section {
	return []Section{
		{Name: "identities", Query: `SELECT state, CASE WHEN state = 'review' THEN '' ELSE reason END AS reason,
			CASE WHEN state = 'review' THEN '' ELSE note END AS note, kind, country, later, expires_at,
			created_at, updated_at, sealed FROM identities WHERE customer_id = $1`, open: openDocument},
		{Name: "identity_documents", Query: `SELECT created_at, customer_id = $1 AS shown_first,
			third_customer = $1 AS class_three
			FROM identity_documents WHERE customer_id = $1 OR third_customer = $1 ORDER BY created_at`},
		{Name: "identity_checks", Query: `SELECT channel, state, reason, masked, answers, valid_until AS valid_until_at,
			created_at, updated_at, sealed
			FROM identity_checks WHERE id > $1 || '/' AND id < $1 || '0' ORDER BY id`, open: openCheck},
		{Name: "identity_images", Query: `SELECT id, side, media AS media_type, size_bytes, created_at, sealed
			FROM identity_images WHERE customer_id = $1 ORDER BY id`, open: openImage},
		{Name: "limit_counters", Query: `SELECT id, counted_on, day_sums, year_sums, lifetime_sums,
			since_two_factors_sums FROM limit_counters
			WHERE id > $1 || '/' AND id < $1 || '0' ORDER BY id`},
	}
}

func cardSections() []Section {
	return []Section{
		{Name: "cards", Query: `SELECT id, state, masked, issuer, card_type, scheme, expires_on, phone,
			agreement_number, decline_code, created_at, bound_at, ended_at FROM cards WHERE customer_id = $1 ORDER BY id`},
		{Name: "default_card", Query: `SELECT default_card FROM card_holders WHERE id = $1`},
		{Name: "card_agreements", Query: `SELECT id AS card_id, number, state, currency, issuer_transaction_minor,
			issuer_day_minor, transaction_minor, day_minor, used_on, used_minor, signed_at, checked_at, ended_at
			FROM card_agreements WHERE customer_id = $1 ORDER BY id`},
	}
}

// openDocument shows what the customer's document says.
func openDocument(_ context.Context, p *Privacy, s Subject, row, shown map[string]any) (bool, error) {
	document, err := p.Identity.OpenDocument(id.Customer(s.ID), sealedOf(row))
	shown["document"] = document
	return true, err
}

// openCheck shows what a check asked beside the document; of the number of a card or an account its end.
func openCheck(_ context.Context, p *Privacy, s Subject, row, shown map[string]any) (bool, error) {
	if len(sealedOf(row)) == 0 {
		return true, nil // what was asked goes when the check ends
	}
	channel, _ := shown["channel"].(string)
	asked, err := p.Identity.OpenCheck(id.Customer(s.ID), identity.Channel(channel), sealedOf(row))
	shown["asked"] = asked
	return true, err
}

// openImage shows an image, in base64. The largest has 5 MiB, and one is in memory at a time.
func openImage(_ context.Context, p *Privacy, _ Subject, row, shown map[string]any) (bool, error) {
	name, _ := shown["id"].(string)
	content, err := p.Identity.OpenImage(id.IdentityImage(name), sealedOf(row))
	shown["content"] = content
	return true, err
}

// openEvidence shows a file of a dispute, in base64; one of 4 MiB at most is in memory at a time.
func openEvidence(_ context.Context, p *Privacy, _ Subject, row, shown map[string]any) (bool, error) {
	name, _ := shown["id"].(string)
	content, err := p.Payments.OpenEvidence(id.DisputeFile(name), sealedOf(row))
	shown["content"] = content
	return true, err
}

func sealedOf(row map[string]any) []byte {
	sealed, _ := row["sealed"].([]byte)
	return sealed
}
