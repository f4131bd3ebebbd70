// Package auth decides who somebody is and what they may do: passwords and sessions of customers and
// staff, customers' devices and payment PINs, merchants' secret keys, roles, and how often one may try.
//
//   - Login passwords are hashed with argon2id (19 MiB, 2 passes, as OWASP advises), at most two at a
//     time. Five wrong ones in a row lock the login, see lockout.go.
//   - A session is a random token; only its hash is stored. Authenticate remembers a session for at
//     most two seconds, so a session revoked on any node ends within two seconds everywhere.
//   - Payment PINs are checked inside the decision that moves the money: see CheckPIN.
//   - An unknown phone number costs the time and gets the answers of a known one, also the lock, which
//     each node keeps in memory for the numbers it does not know.
package auth

import (
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

// Auth checks credentials and keeps sessions, devices, PINs and keys.
type Auth struct {
	// DeviceTable is for package wallet, which marks payment codes as used on the device's row.
	DeviceTable *commit.Table[Device]
	// Trail takes the records of acts and of refused sign-ins; nil keeps none.
	Trail *audit.Trail
	// Papers compares the document of who recovers a wallet; nil asks for none.
	Papers PapersCheck

	pinTable     *commit.Table[pin]
	sessionTable *commit.Table[sessionRow]
	keyTable     *commit.Table[APIKey]

	codeTable      *commit.Table[codeRow]
	sendTable      *commit.Table[sendRow]
	challengeTable *commit.Table[challengeRow]
	passkeyTable   *commit.Table[Passkey]
	totpTable      *commit.Table[totpRow]
	gestureTable   *commit.Table[gestureRow]

	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
	vault     *vault.Vault
	parties   *party.Parties
	messages  *message.Messages
	outbox    *outbox.Outbox
	party     RelyingParty
	live      bool

	hashing   chan struct{} // one place for each password that is hashed
	sessions  *party.Recent[string, Session]
	keys      *party.Recent[string, KeyHolder]
	byLogin   *Limiter
	byAddress *Limiter
	byCodes   *Limiter
	strangers *strangers
}

// Parts are what auth is built on. Zero rates mean the defaults.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Vault     *vault.Vault
	Parties   *party.Parties
	// Messages sends codes and notices to phones; without it nobody gets a code, and nobody signs in on a new device by
	// one.
	Messages *message.Messages
	// Outbox takes the events about devices and passkeys; nil drops them.
	Outbox *outbox.Outbox
	// RelyingParty is the site of passkeys; no origins turn them off.
	RelyingParty RelyingParty
	// Mode is sandbox (also when empty) or live: keys have it in front, and those of the other are refused.
	Mode string
	// LoginRate bounds sign-ins for one phone number or e-mail address; default 10 at once, then one
	// every 30 seconds.
	LoginRate Rate
	// AddressRate bounds sign-ins from one network address; default 60 at once, then one a second.
	AddressRate Rate
	// CodeRate bounds the codes asked for from one network address; default 60 at once, then one every 5 seconds.
	CodeRate Rate
}

const (
	staleMax     = 2 * time.Second
	sessionsMax  = 50_000
	keysMax      = 5_000
	limitersMax  = 50_000
	strangersMax = 50_000

	loginEvery, loginBurst     = 30 * time.Second, 10
	addressEvery, addressBurst = time.Second, 60
)

// New returns the service and registers its tables: pins, devices, sessions, api_keys, and those of codes, passkeys,
// TOTP and gestures.
func New(p Parts) *Auth {
	if p.LoginRate == (Rate{}) {
		p.LoginRate = Rate{Every: loginEvery, Burst: loginBurst}
	}
	if p.AddressRate == (Rate{}) {
		p.AddressRate = Rate{Every: addressEvery, Burst: addressBurst}
	}
	if p.CodeRate == (Rate{}) {
		p.CodeRate = Rate{Every: codeEvery, Burst: codeBurst}
	}
	a := &Auth{
		messages: p.Messages, outbox: p.Outbox, party: p.RelyingParty,
		committer: p.Committer, db: p.DB, clock: p.Clock, vault: p.Vault, parties: p.Parties, live: p.Mode == "live",
		hashing:   make(chan struct{}, hashesAtOnce),
		sessions:  party.NewRecent[string, Session](p.Clock, staleMax, sessionsMax),
		keys:      party.NewRecent[string, KeyHolder](p.Clock, staleMax, keysMax),
		byLogin:   NewLimiter(p.Clock, p.LoginRate, limitersMax),
		byAddress: NewLimiter(p.Clock, p.AddressRate, limitersMax),
		byCodes:   NewLimiter(p.Clock, p.CodeRate, limitersMax),
		strangers: &strangers{tries: party.NewBounded[string, tries](strangersMax)},
	}
	a.addTables(p.Committer)
	a.addFactorTables(p.Committer)
	return a
}

func (a *Auth) addTables(c *commit.Committer) {
	a.pinTable = commit.AddTable(c, "pins",
		commit.Text("id", func(r *pin) *string { return (*string)(&r.Customer) }),
		commit.Text("mac", func(r *pin) *string { return &r.MAC }).Mutable(),
		commit.Int("failures", func(r *pin) *int64 { return &r.Tries.failures }).Mutable(),
		commit.Instant("locked_until", func(r *pin) *time.Time { return &r.Tries.lockedUntil }).Mutable(),
		commit.Instant("updated_at", func(r *pin) *time.Time { return &r.UpdatedAt }).Mutable(),
		commit.Instant("cooling_until", func(r *pin) *time.Time { return &r.CoolingUntil }).Mutable(),
		commit.Text("previous_mac", func(r *pin) *string { return &r.PreviousMAC }).Mutable(),
		commit.Int("cooling_spent", func(r *pin) *int64 { return &r.CoolingSpent }).Mutable(),
		commit.Int("document_failures", func(r *pin) *int64 { return &r.Papers.failures }).Mutable(),
		commit.Instant("document_locked_until", func(r *pin) *time.Time { return &r.Papers.lockedUntil }).Mutable(),
	)
	a.DeviceTable = commit.AddTable(c, "devices",
		commit.Text("id", func(r *Device) *string { return (*string)(&r.ID) }),
		commit.Text("customer_id", func(r *Device) *string { return (*string)(&r.Customer) }),
		commit.Text("handle", func(r *Device) *string { return &r.Handle }).Unique(),
		commit.Text("name", func(r *Device) *string { return &r.Name }).Mutable(),
		commit.Int("code_step", func(r *Device) *int64 { return &r.CodeStep }).Mutable(),
		commit.Int("code_n", func(r *Device) *int64 { return &r.CodeN }).Mutable(),
		commit.Text("state", func(r *Device) *string { return (*string)(&r.State) }).Mutable(),
		commit.Bool("proves", func(r *Device) *bool { return &r.Proves }).Mutable(),
		commit.Instant("created_at", func(r *Device) *time.Time { return &r.CreatedAt }),
	)
	a.sessionTable = commit.AddTable(c, "sessions",
		commit.Text("id", func(r *sessionRow) *string { return (*string)(&r.ID) }),
		commit.Text("token_hash", func(r *sessionRow) *string { return &r.TokenHash }),
		commit.Text("subject_kind", func(r *sessionRow) *string { return (*string)(&r.Subject.kind) }),
		commit.Text("subject_id", func(r *sessionRow) *string { return &r.Subject.id }),
		commit.Text("device_id", func(r *sessionRow) *string { return (*string)(&r.Device) }),
		commit.Instant("created_at", func(r *sessionRow) *time.Time { return &r.CreatedAt }),
		commit.Instant("expires_at", func(r *sessionRow) *time.Time { return &r.ExpiresAt }),
		commit.Instant("revoked_at", func(r *sessionRow) *time.Time { return &r.RevokedAt }).Mutable(),
		commit.Instant("idle_until", func(r *sessionRow) *time.Time { return &r.IdleUntil }).Mutable(),
	)
	a.keyTable = commit.AddTable(c, "api_keys",
		commit.Text("id", func(r *APIKey) *string { return (*string)(&r.ID) }),
		commit.Text("merchant_id", func(r *APIKey) *string { return (*string)(&r.Merchant) }),
		commit.Text("name", func(r *APIKey) *string { return &r.Name }),
		commit.Text("secret_hash", func(r *APIKey) *string { return &r.SecretHash }),
		commit.Text("masked", func(r *APIKey) *string { return &r.Masked }),
		commit.Instant("created_at", func(r *APIKey) *time.Time { return &r.CreatedAt }),
		commit.Instant("revoked_at", func(r *APIKey) *time.Time { return &r.RevokedAt }).Mutable(),
	)
}

// Kind says what a session's subject is.
type Kind string

// The kinds of subjects.
const (
	KindCustomer Kind = "customer"
	KindStaff    Kind = "staff"
	KindUser     Kind = "merchant_user"
)

// subject is a customer, a person of the staff or of a merchant.
type subject struct {
	kind Kind
	id   string
}

func customerSubject(name id.Customer) subject { return subject{kind: KindCustomer, id: string(name)} }
func staffSubject(name id.Staff) subject       { return subject{kind: KindStaff, id: string(name)} }
func userSubject(name id.MerchantUser) subject { return subject{kind: KindUser, id: string(name)} }
