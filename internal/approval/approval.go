// Package approval lets two people decide what one must not: an act of the staff becomes a proposal, which another
// person sees as a difference and approves, and which is then done exactly once, in the approving decision.
//
//   - An Act is an entry of a registry: how it is prepared, what it changes, how it is done in a decision. The
//     registry's functions hold no state, so a proposal made today can be carried out on another node tomorrow.
//   - The list of kinds that need two people is data (Parts.TwoPeople). What is not in it is done at once.
//   - The other person is another human: two accounts with one person key (party.Staff.Person) are one. Whose
//     rights a proposal is about does not decide it.
//   - A proposal whose subject has changed since is stale and is not carried out: nobody approves what nobody saw.
package approval

import (
	"context"
	stdjson "encoding/json"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// State is where a proposal stands.
type State string

// The states of proposals.
const (
	// Open waits for another person, or for the maker to withdraw it.
	Open State = "open"
	// Executed was approved and done; final.
	Executed State = "executed"
	// Refused was refused by another person; final.
	Refused State = "refused"
	// Withdrawn was taken back by its maker; final.
	Withdrawn State = "withdrawn"
	// Expired waited too long. It is not stored: an open proposal whose time is over is expired; final.
	Expired State = "expired"
)

// Lasts is how long a proposal waits.
const Lasts = 24 * time.Hour

// Proposal is an act that waits, or waited, for a second person. Before and After are what it changes, as the maker
// saw it.
type Proposal struct {
	ID        id.Proposal        `json:"id"`
	Kind      string             `json:"kind"`
	Subject   string             `json:"subject"`
	Request   stdjson.RawMessage `json:"request" doc:"What is to be done."`
	Before    stdjson.RawMessage `json:"before" doc:"What it changes, as it stands; null where there is nothing yet."`
	After     stdjson.RawMessage `json:"after" doc:"What it changes, as it will stand."`
	Reason    string             `json:"reason"`
	Maker     id.Staff           `json:"maker_id"`
	State     State              `json:"state" enum:"open,executed,refused,withdrawn,expired"`
	Checker   id.Staff           `json:"checker_id,omitempty"`
	Remark    string             `json:"remark,omitempty" doc:"What the checker said."`
	Result    stdjson.RawMessage `json:"result" doc:"What came of it, once executed; null before."`
	CreatedAt time.Time          `json:"created_at"`
	ExpiresAt time.Time          `json:"expires_at"`
	DecidedAt time.Time          `json:"decided_at,omitzero"`
}

// Act is one kind of act that two people may have to decide.
type Act struct {
	// Kind names the act: `merchant.terms`. Done is the kind of its audit record: `merchant.terms_set`.
	Kind, Done string
	// Permission is what maker and checker must hold; the checker auth.ApproveActs too.
	Permission auth.Permission
	// Title and TitleZH say in a few words what it is.
	Title, TitleZH string
	// Prepare reads what the act needs to know before its decision, and draws what is random. It runs when the act is
	// proposed, when it is looked at and when it is carried out.
	Prepare func(ctx context.Context, d Draft) (Plan, error)
}

// Draft is what an act is made of.
type Draft struct {
	Proposal id.Proposal
	Request  []byte // canonical JSON
	Reason   string
	// Maker is who wants it done.
	Maker id.Staff
	// Final says that the act is to be carried out now.
	Final bool
}

// Plan is an act that is ready to be decided. Diff and Execute are pure: they run in the decision, perhaps twice.
type Plan struct {
	Subject string
	Keys    []commit.Key
	// About is the person of the staff whose rights change, who may not decide it; "" for nobody.
	About id.Staff
	// Alone says that one person may do it though its kind needs two: a refund below the limit.
	Alone bool
	// Diff returns what the act changes, before and after, as the decision sees it.
	Diff func(tx *commit.Tx) (before, after any, err error)
	// Execute does it and returns what came of it, without secrets: it is stored.
	Execute func(tx *commit.Tx) (result any, err error)
	// Secret is told to whoever asked for this plan, once, and not stored; "" for none.
	Secret string
}

// Parts are what Approvals is built on. TwoPeople lists the kinds that need two people.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Parties   *party.Parties
	Outbox    *outbox.Outbox
	Trail     *audit.Trail
	Keys      *idempotency.Keys
	TwoPeople []string
}

// Approvals keeps the registry and the proposals.
type Approvals struct {
	Parts
	table *commit.Table[row]
	acts  map[string]Act
	order []string
	needs map[string]bool
}

// row is a proposal as it is stored.
type row struct {
	ID                              id.Proposal
	Kind, Subject                   string
	Request, Before, After          string
	Reason                          string
	Maker, Checker                  id.Staff
	State                           State
	Remark, Result                  string
	CreatedAt, ExpiresAt, DecidedAt time.Time
}

// New returns the service and registers its table. Register acts, then use it.
func New(parts Parts) *Approvals {
	a := &Approvals{Parts: parts, acts: map[string]Act{}, needs: map[string]bool{}}
	for _, kind := range parts.TwoPeople {
		a.needs[kind] = true
	}
	a.table = commit.AddTable(parts.Committer, "proposals",
		commit.Text("id", func(r *row) *string { return (*string)(&r.ID) }),
		commit.Text("kind", func(r *row) *string { return &r.Kind }),
		commit.Text("subject", func(r *row) *string { return &r.Subject }),
		commit.Text("request", func(r *row) *string { return &r.Request }),
		commit.Text("before_json", func(r *row) *string { return &r.Before }),
		commit.Text("after_json", func(r *row) *string { return &r.After }),
		commit.Text("reason", func(r *row) *string { return &r.Reason }),
		commit.Text("maker_id", func(r *row) *string { return (*string)(&r.Maker) }),
		commit.Text("state", func(r *row) *string { return (*string)(&r.State) }).Mutable(),
		commit.Text("checker_id", func(r *row) *string { return (*string)(&r.Checker) }).Mutable(),
		commit.Text("remark", func(r *row) *string { return &r.Remark }).Mutable(),
		commit.Text("result", func(r *row) *string { return &r.Result }).Mutable(),
		commit.Instant("created_at", func(r *row) *time.Time { return &r.CreatedAt }),
		commit.Instant("expires_at", func(r *row) *time.Time { return &r.ExpiresAt }),
		commit.Instant("decided_at", func(r *row) *time.Time { return &r.DecidedAt }).Mutable(),
	)
	return a
}

// Register adds acts to the registry. It panics on a kind that is there already: a mistake of programming.
func (a *Approvals) Register(acts ...Act) {
	for _, act := range acts {
		if _, there := a.acts[act.Kind]; there {
			panic("approval: two acts of kind " + act.Kind)
		}
		a.acts[act.Kind] = act
		a.order = append(a.order, act.Kind)
	}
}

// Acts lists the registry in the order of registration.
func (a *Approvals) Acts() []Act {
	acts := make([]Act, len(a.order))
	for i, kind := range a.order {
		acts[i] = a.acts[kind]
	}
	return acts
}

// Needs reports whether acts of a kind need two people.
func (a *Approvals) Needs(kind string) bool { return a.needs[kind] }

func raw(text string) stdjson.RawMessage {
	if text == "" {
		return stdjson.RawMessage("null")
	}
	return stdjson.RawMessage(text)
}

func (r *row) view(now time.Time) Proposal {
	state := r.State
	if state == Open && !now.Before(r.ExpiresAt) {
		state = Expired
	}
	return Proposal{
		ID: r.ID, Kind: r.Kind, Subject: r.Subject, Request: raw(r.Request), Before: raw(r.Before), After: raw(r.After),
		Reason: r.Reason, Maker: r.Maker, State: state, Checker: r.Checker, Remark: r.Remark, Result: raw(r.Result),
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, DecidedAt: r.DecidedAt,
	}
}
