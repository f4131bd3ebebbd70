package payment

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	// DisputeFileMaxBytes bounds a file of evidence.
	DisputeFileMaxBytes = 4 << 20
	disputeFilesMax     = 10

	purposeEvidence = "payment.evidence"
)

// Sealed lists what the package seals in the database.
func Sealed() []vault.Sealed {
	return []vault.Sealed{{Purpose: purposeEvidence, Table: "dispute_files", Key: "id", Column: "sealed"}}
}

// DisputeFile is a file of evidence, without its content. Author is payer or merchant.
type DisputeFile struct {
	ID        id.DisputeFile `json:"id"`
	Author    Origin         `json:"author" enum:"payer,merchant"`
	MediaType string         `json:"media_type"`
	Size      int64          `json:"size_bytes"`
	SHA256    string         `json:"sha256" doc:"of the content, in hexadecimal"`
	CreatedAt time.Time      `json:"created_at"`

	dispute id.Dispute
	sealed  []byte
}

// AddDisputeFile stores a file of evidence, sealed, while the dispute is not decided; the merchant's until AnswerBy.
// Q says whose dispute it must be. Errors: dispute.not_found, dispute.bad_file, dispute.too_many_files,
// dispute.wrong_state, dispute.answer_late.
func (p *Payments) AddDisputeFile(
	ctx context.Context, q DisputeQuery, name id.Dispute, plain []byte,
) (DisputeFile, error) {
	if _, err := p.DisputeOf(ctx, q, name); err != nil {
		return DisputeFile{}, err
	}
	media := onboarding.MediaTypeOf(plain)
	if media == "" || len(plain) > DisputeFileMaxBytes {
		return DisputeFile{}, fault.New(fault.Invalid, "dispute.bad_file",
			"a file is a JPEG, a PNG or a PDF of at most 4 MiB").WithParam("content")
	}
	now, sum := p.Clock.Now(), sha256.Sum256(plain)
	file := DisputeFile{
		ID: id.New[id.DisputeFile](now), Author: ByMerchant, MediaType: media, Size: int64(len(plain)),
		SHA256: hex.EncodeToString(sum[:]), CreatedAt: now, dispute: name,
	}
	if q.Customer != "" {
		file.Author = ByPayer
	}
	var err error
	if file.sealed, err = p.Vault.Seal(purposeEvidence, evidencePlace(file.ID), plain); err != nil {
		return file, fault.Wrap(err, "seal evidence")
	}
	keys := []commit.Key{p.disputes.Key(string(name)), p.disputeFiles.Key(string(file.ID))}
	return file, p.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		d, err := p.loadDispute(tx, name)
		switch {
		case err != nil:
			return err
		case d.State.Final():
			return fault.Newf(fault.Conflict, "dispute.wrong_state", "the dispute is %s", d.State)
		case file.Author == ByMerchant && !tx.Now().Before(d.AnswerBy):
			return fault.New(fault.Conflict, "dispute.answer_late", "the time to answer is over")
		case d.files >= disputeFilesMax:
			return fault.Newf(fault.Conflict, "dispute.too_many_files", "a dispute has at most %d files", disputeFilesMax)
		}
		d.files++
		p.disputes.Put(tx, d)
		p.disputeFiles.Put(tx, file)
		return nil
	})
}

// DisputeContent opens a file of a dispute for who may see it; that the staff saw it is recorded. Errors:
// dispute.not_found, dispute.file_not_found.
func (p *Payments) DisputeContent(
	ctx context.Context, q DisputeQuery, name id.Dispute, file id.DisputeFile,
) (DisputeFile, []byte, error) {
	if _, err := p.DisputeOf(ctx, q, name); err != nil {
		return DisputeFile{}, nil, err
	}
	files, err := p.disputeFilesOf(ctx, name)
	if err != nil {
		return DisputeFile{}, nil, err
	}
	for _, f := range files {
		if f.ID != file {
			continue
		}
		var sealed []byte
		err := p.DB.Read.QueryRowContext(ctx, "SELECT sealed FROM dispute_files WHERE id = $1", string(file)).Scan(&sealed)
		if err != nil {
			return f, nil, fault.Wrap(err, "read "+string(file))
		}
		plain, err := p.OpenEvidence(file, sealed)
		if err == nil && q.Customer == "" && q.Merchant == "" {
			err = p.Trail.Write(ctx, audit.Act{Kind: "dispute.seen", Subject: string(name), Reason: string(file)})
		}
		return f, plain, err
	}
	return DisputeFile{}, nil, fault.New(fault.NotFound, "dispute.file_not_found", "there is no such file")
}

// OpenEvidence decrypts what dispute_files.sealed holds of a file. Errors: those of vault.Open.
func (p *Payments) OpenEvidence(name id.DisputeFile, sealed []byte) ([]byte, error) {
	plain, err := p.Vault.Open(purposeEvidence, evidencePlace(name), sealed)
	return plain, fault.Wrap(err, "open "+string(name))
}

func evidencePlace(name id.DisputeFile) []byte {
	return vault.RowAAD("dispute_files", "sealed", string(name))
}

func (p *Payments) disputeFilesOf(ctx context.Context, name id.Dispute) ([]DisputeFile, error) {
	rows, err := p.DB.Read.QueryContext(ctx, `SELECT id, author, media_type, size_bytes, sha256, created_at
		FROM dispute_files WHERE dispute_id = $1 ORDER BY id`, string(name))
	if err != nil {
		return nil, fault.Wrap(err, "list files")
	}
	defer rows.Close()
	var out []DisputeFile
	for rows.Next() {
		f, created := DisputeFile{dispute: name}, int64(0)
		if err := rows.Scan(&f.ID, &f.Author, &f.MediaType, &f.Size, &f.SHA256, &created); err != nil {
			return nil, fault.Wrap(err, "list files")
		}
		f.CreatedAt = clock.FromMicros(created)
		out = append(out, f)
	}
	return out, fault.Wrap(rows.Err(), "list files")
}

// DisputeQuery asks for disputes, newest first. Zero values filter nothing; Before is the id behind which to go on.
type DisputeQuery struct {
	Merchant id.Merchant
	Store    id.Store
	Customer id.Customer
	State    DisputeState
	Before   id.Dispute
	Limit    int
}

func (q *DisputeQuery) admits(d *Dispute) bool {
	return (q.Merchant == "" || q.Merchant == d.Merchant) && (q.Store == "" || q.Store == d.store) &&
		(q.Customer == "" || q.Customer == d.customer)
}

// ListDisputes returns disputes and whether there are more.
func (p *Payments) ListDisputes(ctx context.Context, q DisputeQuery) ([]Dispute, bool, error) {
	out, err := p.readDisputes(ctx, `($1 = '' OR merchant_id = $1) AND ($2 = '' OR store_id = $2)
		AND ($3 = '' OR customer_id = $3) AND ($4 = '' OR state = $4) AND ($5 = '' OR id < $5) ORDER BY id DESC LIMIT $6`,
		string(q.Merchant), string(q.Store), string(q.Customer), string(q.State), string(q.Before), q.Limit+1)
	for i := range out {
		if q.Customer == "" {
			out[i] = out[i].shown()
		}
	}
	if len(out) > q.Limit {
		return out[:q.Limit], true, err
	}
	return out, false, err
}

// DisputeOf returns a dispute with its files, where it is of the merchant, the store and the customer that q names.
// Errors: dispute.not_found.
func (p *Payments) DisputeOf(ctx context.Context, q DisputeQuery, name id.Dispute) (Dispute, error) {
	d, err := p.dispute(ctx, name)
	if err == nil && !q.admits(&d) {
		return Dispute{}, disputeNotFound()
	}
	if err != nil {
		return d, err
	}
	if q.Customer == "" {
		d = d.shown()
	}
	d.Files, err = p.disputeFilesOf(ctx, name)
	return d, err
}

const disputeColumns = `id, payment_id, merchant_id, store_id, customer_id, kind, amount_minor, currency, complaint,
	state, answer, reason, decided_by, refund_minor, refund_id, hold_id, held_minor, files, answer_by, answered_at,
	created_at, completed_at, COALESCE(open_key, '')`

func scanDispute(row func(...any) error) (Dispute, error) {
	var d Dispute
	var by, answered, created, completed int64
	err := row(&d.ID, &d.Payment, &d.Merchant, &d.store, &d.customer, &d.Kind, &d.Minor, &d.Currency, &d.Complaint,
		&d.State, &d.Answer, &d.Reason, &d.decidedBy, &d.Refunded.Minor, &d.Refund, &d.hold, &d.held, &d.files, &by,
		&answered, &created, &completed, &d.openKey)
	d.Refunded.Currency, d.AnswerBy, d.AnsweredAt = d.Currency, clock.FromMicros(by), clock.FromMicros(answered)
	d.CreatedAt, d.CompletedAt = clock.FromMicros(created), clock.FromMicros(completed)
	return d, err
}

func (p *Payments) dispute(ctx context.Context, name id.Dispute) (Dispute, error) {
	d, err := scanDispute(p.DB.Read.QueryRowContext(ctx,
		"SELECT "+disputeColumns+" FROM disputes WHERE id = $1", string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return d, disputeNotFound()
	}
	return d, fault.Wrap(err, "read dispute "+string(name))
}

func (p *Payments) readDisputes(ctx context.Context, where string, args ...any) ([]Dispute, error) {
	//nolint:gosec // where is a text of this file
	rows, err := p.DB.Read.QueryContext(ctx, "SELECT "+disputeColumns+" FROM disputes WHERE "+where, args...)
	if err != nil {
		return nil, fault.Wrap(err, "list disputes")
	}
	defer rows.Close()
	out := []Dispute{}
	for rows.Next() {
		d, err := scanDispute(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list disputes")
		}
		out = append(out, d)
	}
	return out, fault.Wrap(rows.Err(), "list disputes")
}
