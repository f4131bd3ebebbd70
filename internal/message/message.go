// Package message sends texts to phones: one-time codes and notices.
//
// A text is written in the decision that wants it (Send), sealed, with a job that hands it to the Sender: it leaves if
// and only if the decision is durable. The job tries again until the text has expired; what was sent, refused
// or expired keeps no text. A sender that gets a message twice delivers it once, by its id.
//
// How many texts a phone and the whole instance get on a day (UTC) is counted in rows that the decision locks, so no
// node passes the limits. Neither text nor phone number is ever logged.
package message

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

// Message is one text as the Sender gets it. To is E.164.
type Message struct {
	ID        id.Message
	To        string
	Text      string
	ExpiresAt time.Time
}

// Sender brings texts to phones. It is called at least once for each message and must deliver once, by the message's
// id. Errors: a fault of kind Invalid says that this text will never be taken; any other error is tried again.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// State says what became of a message.
type State string

// The states of messages; all but StateWaiting are final.
const (
	// StateWaiting waits for its job.
	StateWaiting State = "waiting"
	// StateSent was taken by the sender.
	StateSent State = "sent"
	// StateRefused will never be taken by the sender.
	StateRefused State = "refused"
	// StateExpired was of no use any more.
	StateExpired State = "expired"
	// StateMuted was never meant to leave; it costs the time and the rows of one that does.
	StateMuted State = "muted"
)

type row struct {
	ID        id.Message
	Phone     string
	Template  Template
	Sealed    []byte
	State     State
	ExpiresAt time.Time
	EndedAt   time.Time
	CreatedAt time.Time
}

// count is how many texts left on a day: for a phone, or for the whole instance.
type count struct {
	ID  string
	N   int64
	Day string
}

const (
	kindSend     = "message.send"
	purposeText  = "message.text"
	sendLease    = 30 * time.Second
	sendFirst    = time.Second
	sendMost     = 5 * time.Minute
	sendTriesMax = 1000 // the text expires long before
	everybody    = "*"

	// PhoneMax is how many texts one phone gets a day where Parts says nothing.
	PhoneMax = 20
	// DayMax is how many texts the instance sends a day where Parts says nothing.
	DayMax = 100_000
)

// Parts are what Messages is made of. Without a Sender every Send is refused. Zero limits mean the defaults.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Jobs      *job.Jobs
	Vault     *vault.Vault
	Sender    Sender
	PhoneMax  int64
	DayMax    int64
}

// Messages writes texts in decisions and sends them.
type Messages struct {
	Parts

	table  *commit.Table[row]
	counts *commit.Table[count]
}

// New returns Messages on its parts, and registers its tables and its job.
func New(parts Parts) *Messages {
	if parts.PhoneMax <= 0 {
		parts.PhoneMax = PhoneMax
	}
	if parts.DayMax <= 0 {
		parts.DayMax = DayMax
	}
	c := parts.Committer
	m := &Messages{
		Parts: parts,
		table: commit.AddTable(c, "messages",
			commit.Text("id", func(r *row) *string { return (*string)(&r.ID) }),
			commit.Text("phone", func(r *row) *string { return &r.Phone }),
			commit.Text("template", func(r *row) *string { return (*string)(&r.Template) }),
			commit.Bytes("sealed", func(r *row) *[]byte { return &r.Sealed }).Mutable(),
			commit.Text("state", func(r *row) *string { return (*string)(&r.State) }).Mutable(),
			commit.Instant("expires_at", func(r *row) *time.Time { return &r.ExpiresAt }),
			commit.Instant("ended_at", func(r *row) *time.Time { return &r.EndedAt }).Mutable(),
			commit.Instant("created_at", func(r *row) *time.Time { return &r.CreatedAt }),
		),
		counts: commit.AddTable(c, "message_counts",
			commit.Text("id", func(r *count) *string { return &r.ID }),
			commit.Int("n", func(r *count) *int64 { return &r.N }).Mutable(),
			commit.Text("day", func(r *count) *string { return &r.Day }).Mutable(),
		),
	}
	if parts.Sender != nil {
		parts.Jobs.Handle(kindSend, job.Policy{
			AttemptsMax: sendTriesMax, Backoff: job.Doubling(sendFirst, sendMost), Lease: sendLease,
		}, m.deliver)
	}
	return m
}

// Draft is a text ready for a decision; NewDraft makes it.
type Draft struct {
	row  row
	work id.Job
}

// Wish says which text somebody is to get. ValidFor is how long it is of use. A muted one does not leave and takes
// as long as one that does.
type Wish struct {
	To       string
	Template Template
	Values   Values
	ValidFor time.Duration
	Muted    bool
}

// Sealed says what is sealed in this domain's tables.
func Sealed() []vault.Sealed {
	return []vault.Sealed{{Purpose: purposeText, Table: "messages", Key: "id", Column: "sealed"}}
}

func textAAD(name id.Message) []byte { return vault.RowAAD("messages", "sealed", string(name)) }

// NewDraft renders and seals a text, before its decision. Errors: those of vault.Seal.
func (m *Messages) NewDraft(w Wish) (Draft, error) {
	now := m.Clock.Now()
	r := row{
		ID: id.New[id.Message](now), Phone: w.To, Template: w.Template, State: StateWaiting, ExpiresAt: now.Add(w.ValidFor),
	}
	var err error
	r.Sealed, err = m.Vault.Seal(purposeText, textAAD(r.ID), []byte(render(w.Template, languageOf(w.To), w.Values)))
	if w.Muted { // sealed all the same: it takes as long
		r.State, r.Sealed = StateMuted, []byte{}
	}
	return Draft{row: r, work: id.New[id.Job](now)}, fault.Wrap(err, "draft a text")
}

// Keys names the rows that Send reads.
func (m *Messages) Keys(d Draft) []commit.Key {
	return []commit.Key{m.counts.Key(everybody), m.counts.Key(d.row.Phone)}
}

// Send writes the text in a decision that declared Keys. Errors: message.too_many (Limited, until the day is over),
// message.not_configured (Unavailable).
func (m *Messages) Send(tx *commit.Tx, d Draft) error {
	if m.Sender == nil {
		return fault.New(fault.Unavailable, "message.not_configured", "this instance sends no texts to phones")
	}
	if err := m.count(tx, everybody, m.DayMax); err != nil {
		return err
	}
	if err := m.count(tx, d.row.Phone, m.PhoneMax); err != nil {
		return err
	}
	d.row.CreatedAt = tx.Now()
	m.table.Put(tx, d.row)
	if d.row.State == StateWaiting {
		m.Jobs.Enqueue(tx, job.Work{ID: d.work, Kind: kindSend, Subject: string(d.row.ID)})
	}
	return nil
}

func (m *Messages) count(tx *commit.Tx, name string, most int64) error {
	c, _, err := m.counts.Get(tx, m.counts.Key(name))
	if err != nil {
		return err
	}
	now := tx.Now().UTC()
	if day := now.Format(time.DateOnly); c.Day != day {
		c = count{ID: name, Day: day}
	}
	if c.N >= most {
		tomorrow := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
		return fault.New(fault.Limited, "message.too_many", "no more texts are sent today").
			WithRetryAfter(tomorrow.Sub(now))
	}
	c.N++
	m.counts.Put(tx, c)
	return nil
}
