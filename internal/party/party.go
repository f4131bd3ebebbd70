// Package party knows the three kinds of people and businesses: customers, who pay and hold wallets;
// merchants, who sell and are paid; staff, who work for the operator.
//
// It keeps who they are and in which state. How they prove it (passwords, sessions, keys) is package
// auth, which is why the rows carry a Credential that only auth changes.
package party

import (
	"log/slog"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Customer is a person or company that pays or holds a wallet. Phone is E.164.
type Customer struct {
	ID         id.Customer `json:"id"`
	Phone      string      `json:"phone"`
	Name       string      `json:"name"`
	Credential Credential  `json:"-"`
	State      State       `json:"state"`
	Class      Class       `json:"account_class"`
	CreatedAt  time.Time   `json:"created_at"`
}

// Class is the payment account class that real-name verification has reached: 1, 2 or 3, and 0 for a customer
// who was not verified yet (PBOC 2015 No. 43 art. 11).
type Class int64

// Merchant is a business that sells and is paid. Its fee for a payment is FeeBps of the amount (1 bps
// is 1/10,000) plus FeeFixedMinor minor units of the payment's currency.
type Merchant struct {
	ID id.Merchant `json:"id"`
	// Parent is the merchant that brought a sub-merchant.
	Parent        id.Merchant `json:"parent_id,omitempty"`
	Name          string      `json:"name"`
	FeeBps        int64       `json:"fee_bps"`
	FeeFixedMinor int64       `json:"fee_fixed_minor"`
	// AdvanceMinor is how much the operator lends the merchant for refunds that its balance does not
	// cover.
	AdvanceMinor int64 `json:"advance_minor"`
	State        State `json:"state"`
	// StateReason is why staff brought the merchant into its state. It is for staff only.
	StateReason string `json:"state_reason,omitempty"`
	// RequiresSignature says that requests with the merchant's secret keys must be signed (package signing).
	RequiresSignature bool      `json:"requires_signature,omitzero"`
	CreatedAt         time.Time `json:"created_at"`
}

// Staff is a person of the operator. Email is in lower case.
type Staff struct {
	ID         id.Staff   `json:"id"`
	Email      string     `json:"email"`
	Name       string     `json:"name"`
	Role       Role       `json:"role"`
	Credential Credential `json:"-"`
	State      State      `json:"state"`
	// Person says which human it is: the same text for all accounts of one human, so that nobody is two people.
	Person    string    `json:"person"`
	CreatedAt time.Time `json:"created_at"`
}

// Credential is a login password as it is stored, and how often it was missed since it was last
// right. Only package auth changes it, but for EndSessions.
type Credential struct { //nolint:recvcheck // a value must not show itself either
	PasswordHash string
	Failures     int64
	LockedUntil  time.Time
	// SessionsUntil ends all sessions that began until then, but for KeptSession.
	SessionsUntil time.Time
	KeptSession   id.Session
}

// EndSessions ends all open sessions, in the decision that stores the row; keep may name one that goes on.
func (c *Credential) EndSessions(now time.Time, keep id.Session) {
	c.SessionsUntil, c.KeptSession = now, keep
}

// Role says what a person of the staff may do; package auth has the table of permissions.
type Role string

// The roles of staff.
const (
	RoleAdmin   Role = "admin"
	RoleFinance Role = "finance"
	RoleSupport Role = "support"
	RoleAuditor Role = "auditor"
	// RoleCompliance knows customers: identities, reviews, screening.
	RoleCompliance Role = "compliance"
	// RoleRisk looks at who pays whom, and stops what is wrong.
	RoleRisk Role = "risk"
)

// Roles lists all roles.
func Roles() []Role {
	return []Role{RoleAdmin, RoleFinance, RoleRisk, RoleCompliance, RoleSupport, RoleAuditor}
}

// Parties reads and writes customers, merchants and staff.
type Parties struct {
	// CustomerTable, StaffTable and UserTable are for package auth, which changes credentials in decisions of
	// its own.
	CustomerTable *commit.Table[Customer]
	StaffTable    *commit.Table[Staff]
	// Trail takes the records of acts; nil keeps none.
	Trail     *audit.Trail
	UserTable *commit.Table[MerchantUser]

	storeTable    *commit.Table[Store]
	merchantTable *commit.Table[Merchant]
	committer     *commit.Committer
	db            *sqldb.DB
	clock         *clock.Clock
	merchants     *Recent[id.Merchant, Merchant]
	stores        *Recent[id.Store, Store]
	payees        *Recent[id.Customer, Customer]
}

const (
	merchantsRecent = 10_000
	payeesRecent    = 50_000
	staleMax        = 2 * time.Second
	payeeStaleMax   = time.Minute // who a payee is does not change; whether it may receive, the account says
)

// New returns the parties and registers their tables: customers, merchants, staff, stores, merchant_users.
func New(c *commit.Committer, db *sqldb.DB, clk *clock.Clock) *Parties {
	return &Parties{
		CustomerTable: commit.AddTable(c, "customers",
			commit.Text("id", func(r *Customer) *string { return (*string)(&r.ID) }),
			commit.Text("phone", func(r *Customer) *string { return &r.Phone }).Unique(),
			commit.Text("name", func(r *Customer) *string { return &r.Name }).Mutable(),
			commit.Text("password_hash", func(r *Customer) *string { return &r.Credential.PasswordHash }).Mutable(),
			commit.Int("failures", func(r *Customer) *int64 { return &r.Credential.Failures }).Mutable(),
			commit.Instant("locked_until", func(r *Customer) *time.Time { return &r.Credential.LockedUntil }).Mutable(),
			commit.Instant("sessions_until", func(r *Customer) *time.Time { return &r.Credential.SessionsUntil }).Mutable(),
			commit.Text("kept_session", func(r *Customer) *string { return (*string)(&r.Credential.KeptSession) }).Mutable(),
			commit.Text("state", func(r *Customer) *string { return (*string)(&r.State) }).Mutable(),
			commit.Int("account_class", func(r *Customer) *int64 { return (*int64)(&r.Class) }).Mutable(),
			commit.Instant("created_at", func(r *Customer) *time.Time { return &r.CreatedAt }),
		),
		merchantTable: commit.AddTable(c, "merchants",
			commit.Text("id", func(r *Merchant) *string { return (*string)(&r.ID) }),
			commit.Text("parent_id", func(r *Merchant) *string { return (*string)(&r.Parent) }),
			commit.Text("name", func(r *Merchant) *string { return &r.Name }).Mutable(),
			commit.Int("fee_bps", func(r *Merchant) *int64 { return &r.FeeBps }).Mutable(),
			commit.Int("fee_fixed_minor", func(r *Merchant) *int64 { return &r.FeeFixedMinor }).Mutable(),
			commit.Int("advance_minor", func(r *Merchant) *int64 { return &r.AdvanceMinor }).Mutable(),
			commit.Text("state", func(r *Merchant) *string { return (*string)(&r.State) }).Mutable(),
			commit.Text("state_reason", func(r *Merchant) *string { return &r.StateReason }).Mutable(),
			commit.Bool("requires_signature", func(r *Merchant) *bool { return &r.RequiresSignature }).Mutable(),
			commit.Instant("created_at", func(r *Merchant) *time.Time { return &r.CreatedAt }),
		),
		StaffTable: commit.AddTable(c, "staff",
			commit.Text("id", func(r *Staff) *string { return (*string)(&r.ID) }),
			commit.Text("email", func(r *Staff) *string { return &r.Email }).Unique(),
			commit.Text("name", func(r *Staff) *string { return &r.Name }).Mutable(),
			commit.Text("role", func(r *Staff) *string { return (*string)(&r.Role) }).Mutable(),
			commit.Text("password_hash", func(r *Staff) *string { return &r.Credential.PasswordHash }).Mutable(),
			commit.Int("failures", func(r *Staff) *int64 { return &r.Credential.Failures }).Mutable(),
			commit.Instant("locked_until", func(r *Staff) *time.Time { return &r.Credential.LockedUntil }).Mutable(),
			commit.Instant("sessions_until", func(r *Staff) *time.Time { return &r.Credential.SessionsUntil }).Mutable(),
			commit.Text("kept_session", func(r *Staff) *string { return (*string)(&r.Credential.KeptSession) }).Mutable(),
			commit.Text("state", func(r *Staff) *string { return (*string)(&r.State) }).Mutable(),
			commit.Text("person", func(r *Staff) *string { return &r.Person }).Mutable(),
			commit.Instant("created_at", func(r *Staff) *time.Time { return &r.CreatedAt }),
		),
		storeTable: storesTable(c),
		UserTable:  usersTable(c),
		committer:  c, db: db, clock: clk,
		stores:    NewRecent[id.Store, Store](clk, staleMax, merchantsRecent),
		merchants: NewRecent[id.Merchant, Merchant](clk, staleMax, merchantsRecent),
		payees:    NewRecent[id.Customer, Customer](clk, payeeStaleMax, payeesRecent),
	}
}

// String returns the id: name and phone do not belong in logs.
func (c Customer) String() string { return string(c.ID) }

// LogValue returns the id: name and phone do not belong in logs.
func (c Customer) LogValue() slog.Value { return slog.StringValue(string(c.ID)) }

// String returns the id: name and address do not belong in logs.
func (s Staff) String() string { return string(s.ID) }

// LogValue returns the id: name and address do not belong in logs.
func (s Staff) LogValue() slog.Value { return slog.StringValue(string(s.ID)) }

// String returns the id: name and address do not belong in logs.
func (u MerchantUser) String() string { return string(u.ID) }

// LogValue returns the id: name and address do not belong in logs.
func (u MerchantUser) LogValue() slog.Value { return slog.StringValue(string(u.ID)) }

// String returns nothing of the credential.
func (Credential) String() string { return "credential" }

// GoString returns nothing of the credential.
func (Credential) GoString() string { return "party.Credential{}" }
