package audit

import (
	"context"
	"crypto"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/signednote"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// ChainLease names the lease under which one node runs Chain.Run. The lease spares work; the chain stays
// right without it.
const ChainLease = "audit.chain"

const (
	chainEvery = 500 * time.Millisecond
	chainBatch = 500 // records of one transaction, and of one signed head
)

// Chain gives each record its place and the hash of all records up to it, and signs each step. The hash of record n
// is SHA-256 over the hash of record n−1 (32 zero bytes before the first) and the record's fields (see digest).
type Chain struct {
	db     *sqldb.DB
	clock  *clock.Clock
	log    *slog.Logger
	signer *signednote.Signer
}

// ChainOptions name a chain and its key.
type ChainOptions struct {
	// Origin names the chain on its heads and in its key: a domain name and a path, no spaces, no plus signs.
	Origin string
	// Key is the Ed25519 key that signs heads.
	Key crypto.Signer
	Log *slog.Logger
}

// NewChain returns the chain of the records on db. Errors: audit.bad_key.
func NewChain(db *sqldb.DB, clk *clock.Clock, options ChainOptions) (*Chain, error) {
	signer, err := signednote.New(options.Origin, options.Key)
	if err != nil {
		return nil, fault.New(fault.Invalid, "audit.bad_key",
			"the chain needs an Ed25519 key and an origin without spaces and plus signs").WithCause(err)
	}
	return &Chain{db: db, clock: clk, log: options.Log, signer: signer}, nil
}

// Key returns the chain's verifier key, `name+hash+key`, as C2SP signed-note writes it.
func (c *Chain) Key() string { return c.signer.Key() }

// Head is a signed statement of the chain: with Size records its hash is Hash (base64). Note is its text
// with its signature: origin, size and hash, each on a line.
type Head struct {
	Size      int64     `json:"size"`
	Hash      string    `json:"hash"`
	Note      string    `json:"note"`
	CreatedAt time.Time `json:"created_at"`
}

func headText(origin string, size int64, hash []byte) string {
	return origin + "\n" + strconv.FormatInt(size, 10) + "\n" + base64.StdEncoding.EncodeToString(hash) + "\n"
}

// digest returns the chain's hash after record r at place n: SHA-256 over the hash before it and, each as its length
// in decimal, a colon and its bytes: n, id, at (microseconds since 1970 UTC), kind, actor_kind, actor, credential,
// device, address, request_id, subject, proposal_id, reason, before, after.
func digest(before []byte, n int64, r *Record) []byte {
	h := sha256.New()
	_, _ = h.Write(before)
	for _, field := range []string{
		strconv.FormatInt(n, 10), string(r.ID), strconv.FormatInt(clock.Micros(r.At), 10), r.Kind, string(r.ActorKind),
		r.Actor, r.Credential, r.Device, r.Address, r.Request, r.Subject, string(r.Proposal), r.Reason, r.Before, r.After,
	} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(field), field)
	}
	return h.Sum(nil)
}

// Run chains new records twice a second until ctx ends.
func (c *Chain) Run(ctx context.Context) {
	tick := time.NewTicker(chainEvery)
	defer tick.Stop()
	for {
		if err := c.Seal(ctx); err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "audit records can't be chained", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Seal chains and signs every record that waits. Errors: audit.chain_damaged.
func (c *Chain) Seal(ctx context.Context) error {
	for {
		n, err := c.step(ctx)
		if err != nil {
			return fault.Wrap(c.db.Fault(err), "chain audit records")
		}
		if n < chainBatch {
			return nil
		}
	}
}

// step chains one batch in one transaction, with its signed head. Whoever else is at it waits for the turn and then
// sees what was done.
func (c *Chain) step(ctx context.Context) (int, error) {
	var waits bool
	err := c.db.Read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM audit_records WHERE n IS NULL)").Scan(&waits)
	if err != nil || !waits {
		return 0, err
	}
	var done int
	err = c.db.Write(ctx, func(tx *sql.Tx) error {
		done = 0
		if err := takeTurn(ctx, tx); err != nil {
			return err
		}
		size, hash, err := c.tip(ctx, tx)
		if err != nil {
			return err
		}
		records, err := queryRecords(ctx, tx, "WHERE n IS NULL ORDER BY id LIMIT $1", chainBatch)
		if err != nil || len(records) == 0 {
			return err
		}
		place, err := tx.PrepareContext(ctx, "UPDATE audit_records SET n = $2, hash = $3 WHERE id = $1")
		if err != nil {
			return err
		}
		defer place.Close()
		for i := range records {
			size++
			hash = digest(hash, size, &records[i])
			if _, err := place.ExecContext(ctx, string(records[i].ID), size, hash); err != nil {
				return fmt.Errorf("place %s: %w", records[i].ID, err)
			}
		}
		done = len(records)
		return c.sign(ctx, tx, size, hash)
	})
	return done, err
}

// takeTurn locks one row until the end of the transaction, so that sequencers go one after another on every engine.
func takeTurn(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO leases (name, holder, expires_at) VALUES ('audit.turn', '', 0)
		ON CONFLICT (name) DO UPDATE SET expires_at = 0`)
	return err
}

// tip returns the end of the chain, and refuses to go on from one that contradicts the newest signed head.
func (c *Chain) tip(ctx context.Context, tx *sql.Tx) (int64, []byte, error) {
	size, hash := int64(0), make([]byte, sha256.Size)
	err := tx.QueryRowContext(ctx,
		"SELECT n, hash FROM audit_records WHERE n IS NOT NULL ORDER BY n DESC LIMIT 1").Scan(&size, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, nil, err
	}
	head, err := readHead(ctx, tx)
	if err != nil {
		return 0, nil, err
	}
	if head.Size != size || (size > 0 && head.Hash != base64.StdEncoding.EncodeToString(hash)) {
		return 0, nil, fault.New(fault.Internal, "audit.chain_damaged", "the audit trail's chain is damaged").
			WithHint("run `feiqian verify`; nothing is chained or signed until the trail is restored").
			WithCause(fmt.Errorf("the chain ends at %d, the newest head is of %d", size, head.Size))
	}
	return size, hash, nil
}

func (c *Chain) sign(ctx context.Context, tx *sql.Tx, size int64, hash []byte) error {
	signed, err := note.Sign(&note.Note{Text: headText(c.signer.Name(), size, hash)}, c.signer)
	if err != nil {
		return fmt.Errorf("sign a head: %w", err)
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO audit_heads (size, hash, note, created_at) VALUES ($1, $2, $3, $4)",
		size, hash, string(signed), clock.Micros(c.clock.Now()))
	return err
}

// Head returns the newest signed head; its size is 0 where there is none.
func (c *Chain) Head(ctx context.Context) (Head, error) {
	head, err := readHead(ctx, c.db.Read)
	return head, fault.Wrap(c.db.Fault(err), "read the audit trail's head")
}

// querier is a transaction or a pool of connections to read with.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readHead(ctx context.Context, q querier) (Head, error) {
	head, err := scanHead(q.QueryRowContext(ctx,
		"SELECT size, hash, note, created_at FROM audit_heads ORDER BY size DESC LIMIT 1").Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Head{}, nil
	}
	return head, err
}

func scanHead(scan func(...any) error) (Head, error) {
	var head Head
	var hash []byte
	var at int64
	err := scan(&head.Size, &hash, &head.Note, &at)
	head.Hash, head.CreatedAt = base64.StdEncoding.EncodeToString(hash), clock.FromMicros(at)
	return head, err
}

// openHead checks a head's signature by one of the keys; without keys only its form.
func openHead(h *Head, keys []note.Verifier) error {
	opened, err := note.Open([]byte(h.Note), note.VerifierList(keys...))
	var unverified *note.UnverifiedNoteError
	if len(keys) == 0 && errors.As(err, &unverified) {
		opened, err = unverified.Note, nil
	}
	if err != nil {
		return errors.New("it is not signed by a trusted key")
	}
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	for _, key := range keys {
		if key.Name() != origin {
			return errors.New("it is signed for another chain")
		}
	}
	if rest != strconv.FormatInt(h.Size, 10)+"\n"+h.Hash+"\n" {
		return errors.New("its note says something else than its row")
	}
	return nil
}
