package party

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// The SQL of stores and of merchants' users.
const (
	storeColumns = "SELECT id, merchant_id, name, address, state, created_at FROM stores"
	storeByID    = storeColumns + " WHERE id = $1"
	storesOf     = storeColumns + " WHERE merchant_id = $1 ORDER BY id DESC LIMIT 1000"

	userColumns = `SELECT id, merchant_id, store_id, email, name, role, password_hash, failures, locked_until,
		sessions_until, kept_session, state, COALESCE(invitation_hash, ''), invited_until, created_at FROM merchant_users`
	userByID         = userColumns + " WHERE id = $1"
	userByEmail      = userColumns + " WHERE email = $1"
	userByInvitation = userColumns + " WHERE invitation_hash = $1"
	usersOf          = userColumns + " WHERE merchant_id = $1 ORDER BY id DESC LIMIT 1000"

	merchantsOf = merchantColumns + " WHERE parent_id = $1 AND parent_id <> '' ORDER BY id DESC LIMIT 1000"
)

func storesTable(c *commit.Committer) *commit.Table[Store] {
	return commit.AddTable(c, "stores",
		commit.Text("id", func(r *Store) *string { return (*string)(&r.ID) }),
		commit.Text("merchant_id", func(r *Store) *string { return (*string)(&r.Merchant) }),
		commit.Text("name", func(r *Store) *string { return &r.Name }).Mutable(),
		commit.Text("address", func(r *Store) *string { return &r.Address }).Mutable(),
		commit.Text("state", func(r *Store) *string { return (*string)(&r.State) }).Mutable(),
		commit.Instant("created_at", func(r *Store) *time.Time { return &r.CreatedAt }),
	)
}

func usersTable(c *commit.Committer) *commit.Table[MerchantUser] {
	return commit.AddTable(c, "merchant_users",
		commit.Text("id", func(r *MerchantUser) *string { return (*string)(&r.ID) }),
		commit.Text("merchant_id", func(r *MerchantUser) *string { return (*string)(&r.Merchant) }),
		commit.Text("store_id", func(r *MerchantUser) *string { return (*string)(&r.Store) }).Mutable(),
		commit.Text("email", func(r *MerchantUser) *string { return &r.Email }).Unique(),
		commit.Text("name", func(r *MerchantUser) *string { return &r.Name }).Mutable(),
		commit.Text("role", func(r *MerchantUser) *string { return (*string)(&r.Role) }).Mutable(),
		commit.Text("password_hash", func(r *MerchantUser) *string { return &r.Credential.PasswordHash }).Mutable(),
		commit.Int("failures", func(r *MerchantUser) *int64 { return &r.Credential.Failures }).Mutable(),
		commit.Instant("locked_until", func(r *MerchantUser) *time.Time { return &r.Credential.LockedUntil }).Mutable(),
		commit.Instant("sessions_until", func(r *MerchantUser) *time.Time { return &r.Credential.SessionsUntil }).Mutable(),
		commit.Text("kept_session", func(r *MerchantUser) *string { return (*string)(&r.Credential.KeptSession) }).Mutable(),
		commit.Text("state", func(r *MerchantUser) *string { return (*string)(&r.State) }).Mutable(),
		commit.Optional("invitation_hash", func(r *MerchantUser) *string { return &r.InvitationHash }).Mutable(),
		commit.Instant("invited_until", func(r *MerchantUser) *time.Time { return &r.InvitedUntil }).Mutable(),
		commit.Instant("created_at", func(r *MerchantUser) *time.Time { return &r.CreatedAt }),
	)
}

func (p *Parties) readStore(ctx context.Context, name id.Store) (Store, error) {
	stores, err := p.readStores(ctx, storeByID, string(name))
	if err == nil && len(stores) == 0 {
		return Store{}, storeNotFound()
	}
	if err != nil {
		return Store{}, err
	}
	return stores[0], nil
}

func (p *Parties) readStores(ctx context.Context, text, value string) ([]Store, error) {
	rows, err := p.db.Query(ctx, text, value)
	if err != nil {
		return nil, fault.Wrap(p.db.Fault(err), "read stores")
	}
	defer rows.Close()
	stores := []Store{}
	for rows.Next() {
		var s Store
		var createdAt int64
		if err := rows.Scan(&s.ID, &s.Merchant, &s.Name, &s.Address, &s.State, &createdAt); err != nil {
			return nil, fault.Wrap(err, "read stores")
		}
		s.CreatedAt = clock.FromMicros(createdAt)
		stores = append(stores, s)
	}
	return stores, fault.Wrap(p.db.Fault(rows.Err()), "read stores")
}

// userBy reads one person with one of the texts above. Errors: party.user_not_found.
func (p *Parties) userBy(ctx context.Context, text, value string) (MerchantUser, error) {
	users, err := p.readUsers(ctx, text, value)
	if err == nil && len(users) == 0 {
		return MerchantUser{}, userNotFound()
	}
	if err != nil {
		return MerchantUser{}, err
	}
	return users[0], nil
}

func (p *Parties) readUsers(ctx context.Context, text, value string) ([]MerchantUser, error) {
	rows, err := p.db.Read.QueryContext(ctx, text, value)
	if err != nil {
		return nil, fault.Wrap(p.db.Fault(err), "read merchant users")
	}
	defer rows.Close()
	users := []MerchantUser{}
	for rows.Next() {
		var u MerchantUser
		var lockedUntil, sessionsUntil, invitedUntil, createdAt int64
		err := rows.Scan(&u.ID, &u.Merchant, &u.Store, &u.Email, &u.Name, &u.Role, &u.Credential.PasswordHash,
			&u.Credential.Failures, &lockedUntil, &sessionsUntil, &u.Credential.KeptSession, &u.State, &u.InvitationHash,
			&invitedUntil, &createdAt)
		if err != nil {
			return nil, fault.Wrap(err, "read merchant users")
		}
		u.Credential.LockedUntil, u.InvitedUntil = clock.FromMicros(lockedUntil), clock.FromMicros(invitedUntil)
		u.Credential.SessionsUntil, u.CreatedAt = clock.FromMicros(sessionsUntil), clock.FromMicros(createdAt)
		users = append(users, u)
	}
	return users, fault.Wrap(p.db.Fault(rows.Err()), "read merchant users")
}

// SubMerchants returns the merchants that a merchant brought, newest first, at most 1,000.
func (p *Parties) SubMerchants(ctx context.Context, parent id.Merchant) ([]Merchant, error) {
	return p.readMerchantsBy(ctx, merchantsOf, string(parent))
}
