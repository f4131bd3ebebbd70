// Package idempotency lets a caller repeat a request safely: the same key and request give the
// stored answer, word for word; the same key with another request is refused.
//
// Key and answer are written in the decision that the request is about, so there is never one
// without the other. A request that is refused writes nothing and does not burn its key; a decline
// is an answer and does. Two requests with one key at once are decided one after the other, and the second
// gets the answer of the first. Keys are kept for 30 days.
package idempotency

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Kept is how long a key is remembered.
const Kept = 30 * 24 * time.Hour

// Request names one act of one caller.
type Request struct {
	// Caller and Route are the scope of Key: who calls, and method and path.
	Caller string
	Route  string
	// Key is the client's name for the act.
	Key string
	// Body is the request as it was sent; the same key must come with the same body.
	Body []byte
	// DryRun decides and answers as ever, and writes nothing; only a wrong PIN is counted as ever.
	DryRun bool
}

// Answer is what the caller is told, now and at every repeat.
type Answer struct {
	Status   int
	Body     []byte
	Replayed bool
}

// row is a key with its answer: the data of an event, or a body of its own.
type row struct {
	ID          string
	Fingerprint string
	Status      int64
	Event       id.Event
	Body        string
	CreatedAt   time.Time
}

// Keys stores keys and answers.
type Keys struct {
	committer *commit.Committer
	db        *sqldb.DB
	events    *outbox.Outbox
	table     *commit.Table[row]
}

// New returns the store and registers its table.
func New(c *commit.Committer, db *sqldb.DB, events *outbox.Outbox) *Keys {
	return &Keys{committer: c, db: db, events: events, table: commit.AddTable(c, "idempotency_keys",
		commit.Text("id", func(r *row) *string { return &r.ID }),
		commit.Text("fingerprint", func(r *row) *string { return &r.Fingerprint }),
		commit.Int("status", func(r *row) *int64 { return &r.Status }),
		commit.Text("event_id", func(r *row) *string { return (*string)(&r.Event) }),
		commit.Text("body", func(r *row) *string { return &r.Body }),
		commit.Instant("created_at", func(r *row) *time.Time { return &r.CreatedAt }),
	)}
}

func hash(parts ...string) string {
	var text []byte
	for _, part := range parts {
		text = strconv.AppendInt(text, int64(len(part)), 10)
		text = append(append(text, ':'), part...)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

// Once runs decide in a group commit, unless the request's key was answered before. decide returns
// the status and the value whose JSON is the answer; outbox.Announced says that it is an event's data, which is
// not stored twice. Keys are the rows that decide reads.
//
// Errors: idempotency.key_reused (Mismatch), and decide's own.
func (k *Keys) Once(ctx context.Context, req Request, keys []commit.Key,
	decide func(tx *commit.Tx) (status int, body any, err error),
) (Answer, error) {
	name := hash(req.Caller, req.Route, req.Key)
	fingerprint := hash(string(req.Body))
	key := k.table.Key(name)
	var (
		answer Answer
		old    id.Event // holds the answer of a replay
	)
	once := func(tx *commit.Tx) error {
		stored, found, err := k.table.Get(tx, key)
		if err != nil {
			return err
		}
		if found {
			if stored.Fingerprint != fingerprint {
				return fault.New(fault.Mismatch, "idempotency.key_reused", "this Idempotency-Key was used for another request").
					WithParam("Idempotency-Key").WithHint("send a fresh key for a new act")
			}
			old = stored.Event
			answer = Answer{Status: int(stored.Status), Body: []byte(stored.Body), Replayed: true}
			return nil
		}
		status, value, err := decide(tx)
		if err != nil {
			return err
		}
		fresh := row{ID: name, Fingerprint: fingerprint, Status: int64(status), CreatedAt: tx.Now()}
		old, answer = "", Answer{Status: status}
		if said, announced := value.(outbox.Announced); announced {
			fresh.Event, answer.Body = said.Event, said.Data
		} else {
			if answer.Body, err = json.Marshal(value); err != nil {
				return fault.Wrap(err, "write the answer")
			}
			fresh.Body = string(answer.Body)
		}
		k.table.Put(tx, fresh)
		return nil
	}
	run := k.committer.Do
	if req.DryRun {
		run = k.dryRun
	}
	err := run(ctx, append(keys, key), once)
	if err == nil && old != "" {
		event, readErr := k.events.Read(ctx, old)
		answer.Body, err = event.Data, fault.Wrap(readErr, "read the answer of old")
	}
	return answer, err
}

// errDry takes a dry run back.
var errDry = errors.New("a dry run")

// dryRun decides and takes back what the decision wrote, but for what a refusal keeps (commit.Keep): a wrong PIN is
// counted, or a dry run would be a way to guess it.
func (k *Keys) dryRun(ctx context.Context, keys []commit.Key, decide func(tx *commit.Tx) error) error {
	err := k.committer.Do(ctx, keys, func(tx *commit.Tx) error {
		if err := decide(tx); err != nil {
			return err
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}

const forgetBatch = 1000

// Forget removes keys older than Kept, a batch at a time, and returns how many it removed in all.
func (k *Keys) Forget(ctx context.Context, now time.Time) (int64, error) {
	var all int64
	for {
		var n int64
		err := k.db.Write(ctx, func(tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx, `DELETE FROM idempotency_keys WHERE id IN
				(SELECT id FROM idempotency_keys WHERE created_at < $1 LIMIT $2)`, clock.Micros(now.Add(-Kept)), forgetBatch)
			if err != nil {
				return fmt.Errorf("forget keys: %w", err)
			}
			n, err = result.RowsAffected()
			return err
		})
		all += n
		if err != nil || n < forgetBatch {
			return all, fault.Wrap(err, "forget idempotency keys")
		}
	}
}
