// Package audit keeps who did what: every act of the staff, every change of a credential, and every event that
// bears on security, with who, from where, before and after.
//
//   - An act's record is written in the decision that does the act (Add), so there is no act without its record
//     and no record of what did not happen.
//   - A refused request has no decision. Its event is noted (Note, note.go) and written a moment later in a commit
//     of its own; equal events of one second are one record with a count, so that a flood does not fill the disk.
//   - Records are chained by hash after their commit (chain.go), under a lease, so that no row is locked by
//     all nodes; each step of the chain is signed. Verify (verify.go) finds what was changed, taken out or put in.
//
// Who acts is in the context (Origin): the HTTP door puts it there, and nobody hands it around.
package audit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Act is what a caller says of an act or event; who, when and from where the trail knows itself.
type Act struct {
	// Kind is `subject.past_tense`, such as merchant.state_set.
	Kind string
	// Subject is the id of what it is about.
	Subject string
	// Proposal names the proposal that the act carries out, "" for none.
	Proposal id.Proposal
	// Reason is why, in the words of who acts; for a refused request the code of the refusal.
	Reason string
	// Before and After are what changed, as JSON; nil for nothing. Members with the name of a secret are left out.
	Before, After any
}

// Record is one record of the trail. Credential is the session or the secret key; Device a customer's device.
// N and Hash are its place in the chain and the chain's hash there, once it has them.
type Record struct {
	ID         id.Audit    `json:"id"`
	At         time.Time   `json:"at"`
	Kind       string      `json:"kind"`
	ActorKind  ActorKind   `json:"actor_kind" enum:"staff,customer,merchant,merchant_user,applicant,public,system"`
	Actor      string      `json:"actor,omitempty"`
	Credential string      `json:"credential,omitempty"`
	Device     string      `json:"device,omitempty"`
	Address    string      `json:"address,omitempty"`
	Request    string      `json:"request_id,omitempty"`
	Subject    string      `json:"subject,omitempty"`
	Proposal   id.Proposal `json:"proposal_id,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Before     string      `json:"before,omitempty" doc:"JSON text."`
	After      string      `json:"after,omitempty" doc:"JSON text."`
	N          int64       `json:"n,omitempty" doc:"Place in the chain, from 1."`
	Hash       string      `json:"hash,omitempty" doc:"Hash of the chain up to here, base64."`
}

// ActorKind says what kind of party acts.
type ActorKind string

// The kinds of actors. System is the platform itself: a job, a command on the machine.
const (
	Staff    ActorKind = "staff"
	Customer ActorKind = "customer"
	Merchant ActorKind = "merchant"
	// MerchantUser is a person who works for a merchant, Applicant who applies for one.
	MerchantUser ActorKind = "merchant_user"
	Applicant    ActorKind = "applicant"
	Public       ActorKind = "public"
	System       ActorKind = "system"
)

// Origin is who acts and from where.
type Origin struct {
	Kind       ActorKind
	Actor      string
	Credential string
	Device     string
	Address    string
	Request    string
	// Recorded is set when a record of this origin is durable; nil for nobody who wants to know.
	Recorded *atomic.Bool
}

// OriginKey finds the Origin in a context.
type OriginKey struct{}

// With returns a context whose acts have this origin.
func With(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, OriginKey{}, o)
}

// Of returns the origin of acts in ctx; without one it is the system.
func Of(ctx context.Context) Origin {
	if o, ok := ctx.Value(OriginKey{}).(Origin); ok {
		return o
	}
	return Origin{Kind: System}
}

// Trail writes and reads records. A nil Trail keeps nothing.
type Trail struct {
	db    *sqldb.DB
	clock *clock.Clock
	table *commit.Table[Record]
	notes notes
}

// New returns the trail on db and registers its table.
func New(c *commit.Committer, db *sqldb.DB, clk *clock.Clock) *Trail {
	return &Trail{db: db, clock: clk, notes: newNotes(), table: commit.AddTable(c, "audit_records",
		commit.Text("id", func(r *Record) *string { return (*string)(&r.ID) }),
		commit.Instant("at", func(r *Record) *time.Time { return &r.At }),
		commit.Text("kind", func(r *Record) *string { return &r.Kind }),
		commit.Text("actor_kind", func(r *Record) *string { return (*string)(&r.ActorKind) }),
		commit.Text("actor", func(r *Record) *string { return &r.Actor }),
		commit.Text("credential", func(r *Record) *string { return &r.Credential }),
		commit.Text("device", func(r *Record) *string { return &r.Device }),
		commit.Text("address", func(r *Record) *string { return &r.Address }),
		commit.Text("request_id", func(r *Record) *string { return &r.Request }),
		commit.Text("subject", func(r *Record) *string { return &r.Subject }),
		commit.Text("proposal_id", func(r *Record) *string { return (*string)(&r.Proposal) }),
		commit.Text("reason", func(r *Record) *string { return &r.Reason }),
		commit.Text("before_json", func(r *Record) *string { return &r.Before }),
		commit.Text("after_json", func(r *Record) *string { return &r.After }),
	)}
}

// Add writes the record of an act in the act's own decision. ctx says who acts.
//
// Errors: audit.bad_value (Internal: Before or After is nothing that JSON can say).
func (t *Trail) Add(ctx context.Context, tx *commit.Tx, act Act) error {
	if t == nil {
		return nil
	}
	origin := Of(ctx)
	record, err := newRecord(origin, act)
	if err != nil {
		return err
	}
	record.ID, record.At = id.Member[id.Audit](tx.Group(), 0, t.table.Appended(tx)), tx.Now()
	t.table.Append(tx, record)
	if origin.Recorded != nil {
		tx.After(func() { origin.Recorded.Store(true) })
	}
	return nil
}

func newRecord(o Origin, act Act) (Record, error) {
	r := Record{
		Kind: act.Kind, ActorKind: o.Kind, Actor: o.Actor, Credential: o.Credential, Device: o.Device, Address: o.Address,
		Request: o.Request, Subject: act.Subject, Proposal: act.Proposal, Reason: act.Reason,
	}
	var err error
	if r.Before, err = encode(act.Before); err == nil {
		r.After, err = encode(act.After)
	}
	if err != nil {
		return r, fault.New(fault.Internal, "audit.bad_value", "an audit record can't be written").WithCause(err)
	}
	return r, nil
}
