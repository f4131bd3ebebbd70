package party

import (
	"context"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// MerchantUser is a person who works for a merchant. Email is in lower case. With a Store the person sees and does
// what is of that store only. Invited people have no password yet.
type MerchantUser struct {
	ID         id.MerchantUser `json:"id"`
	Merchant   id.Merchant     `json:"merchant_id"`
	Store      id.Store        `json:"store_id,omitempty"`
	Email      string          `json:"email"`
	Name       string          `json:"name"`
	Role       MerchantRole    `json:"role" enum:"owner,finance,operator,viewer"`
	Credential Credential      `json:"-"`
	State      State           `json:"state" enum:"active,frozen,closed"`
	// InvitationHash is of the token that sets the first password, until InvitedUntil.
	InvitationHash string    `json:"-"`
	InvitedUntil   time.Time `json:"invited_until,omitzero"`
	CreatedAt      time.Time `json:"created_at"`
}

// recorded is a user as the audit trail keeps it, which outlives the person's data: without name and address.
func (u MerchantUser) recorded() any {
	return struct {
		Merchant id.Merchant  `json:"merchant_id"`
		Store    id.Store     `json:"store_id,omitempty"`
		Role     MerchantRole `json:"role"`
		State    State        `json:"state"`
	}{u.Merchant, u.Store, u.Role, u.State}
}

// MerchantRole says what a merchant's user may do; package auth has the table of permissions.
type MerchantRole string

// The roles of merchants' users.
const (
	// MerchantOwner may do all, also with people and keys.
	MerchantOwner MerchantRole = "owner"
	// MerchantFinance sees the money of the whole merchant.
	MerchantFinance MerchantRole = "finance"
	// MerchantOperator runs stores.
	MerchantOperator MerchantRole = "operator"
	// MerchantViewer looks.
	MerchantViewer MerchantRole = "viewer"
)

// MerchantRoles lists all roles of merchants' users.
func MerchantRoles() []MerchantRole {
	return []MerchantRole{MerchantOwner, MerchantFinance, MerchantOperator, MerchantViewer}
}

// NewMerchantUser is what a person begins with.
type NewMerchantUser struct {
	Merchant id.Merchant
	Store    id.Store
	Email    string
	Name     string
	Role     MerchantRole
	// InvitationHash may be "": then the person cannot come in until an invitation is made.
	InvitationHash string
	InvitedUntil   time.Time
}

// NewUser checks a person and gives an id; nothing is stored yet. Errors: party.bad_email, party.bad_name,
// party.bad_role.
func (p *Parties) NewUser(n NewMerchantUser) (MerchantUser, error) {
	email, err := ParseEmail(n.Email)
	if err != nil {
		return MerchantUser{}, err
	}
	name, err := ParseName(n.Name)
	if err != nil {
		return MerchantUser{}, err
	}
	if err := checkMerchantRole(n.Role, n.Store); err != nil {
		return MerchantUser{}, err
	}
	now := p.clock.Now()
	return MerchantUser{
		ID: id.New[id.MerchantUser](now), Merchant: n.Merchant, Store: n.Store, Email: email, Name: name, Role: n.Role,
		State: StateActive, InvitationHash: n.InvitationHash, InvitedUntil: n.InvitedUntil, CreatedAt: now,
	}, nil
}

func checkMerchantRole(role MerchantRole, store id.Store) error {
	if !slices.Contains(MerchantRoles(), role) {
		return fault.New(fault.Invalid, "party.bad_role", "a role is owner, finance, operator or viewer").WithParam("role")
	}
	if store != "" && (role == MerchantOwner || role == MerchantFinance) {
		return fault.New(fault.Invalid, "party.bad_role", "owners and finance are of the whole merchant, not of a store").
			WithParam("store_id")
	}
	return nil
}

// UserKeys names the rows that AddUser reads.
func (p *Parties) UserKeys(u MerchantUser) []commit.Key {
	return []commit.Key{p.UserTable.KeyBy("email", u.Email)}
}

// AddUser stores a person as part of a decision that declared UserKeys. Errors: party.email_taken.
func (p *Parties) AddUser(tx *commit.Tx, u MerchantUser) error {
	_, taken, err := p.UserTable.Get(tx, p.UserTable.KeyBy("email", u.Email))
	if err != nil {
		return err
	}
	if taken {
		return fault.New(fault.Conflict, "party.email_taken", "this address is registered already").WithParam("email")
	}
	p.UserTable.Put(tx, u)
	return nil
}

// CreateUser stores a person. Errors: those of NewUser and AddUser; party.store_not_found.
func (p *Parties) CreateUser(ctx context.Context, n NewMerchantUser) (MerchantUser, error) {
	user, err := p.NewUser(n)
	if err != nil {
		return MerchantUser{}, err
	}
	if user.Store != "" {
		if _, err := p.StoreOf(ctx, user.Merchant, user.Store); err != nil {
			return MerchantUser{}, err
		}
	}
	err = p.committer.Do(ctx, p.UserKeys(user), func(tx *commit.Tx) error {
		if err := p.AddUser(tx, user); err != nil {
			return err
		}
		return p.Trail.Add(ctx, tx, audit.Act{Kind: "user.created", Subject: string(user.ID), After: user.recorded()})
	})
	if err != nil {
		return MerchantUser{}, fault.Wrap(err, "create merchant user")
	}
	return user, nil
}

// UserChange is what an owner may change of a person; "" leaves it. WholeMerchant takes a store away.
type UserChange struct {
	Merchant      id.Merchant
	By, User      id.MerchantUser
	Role          MerchantRole
	State         State
	Store         id.Store
	WholeMerchant bool
}

// ChangeUser changes role, store or state of a merchant's user and ends the user's sessions, on other nodes within
// two seconds. Nobody changes himself, so that a merchant always keeps an owner who can come in. Errors:
// party.user_not_found, also for another merchant's; party.self_change, party.bad_role, party.bad_state,
// party.state_conflict, party.store_not_found.
func (p *Parties) ChangeUser(ctx context.Context, c UserChange) (MerchantUser, error) {
	if c.Store != "" {
		if _, err := p.StoreOf(ctx, c.Merchant, c.Store); err != nil {
			return MerchantUser{}, err
		}
	}
	key, by := p.UserTable.Key(string(c.User)), p.UserTable.Key(string(c.By))
	var user MerchantUser
	err := p.committer.Do(ctx, []commit.Key{key, by}, func(tx *commit.Tx) error {
		if err := p.RequireOwner(tx, c); err != nil {
			return err
		}
		old, _, err := p.UserTable.Get(tx, key)
		if err != nil {
			return err
		}
		user, err = c.apply(old)
		if err != nil || user == old {
			return err
		}
		user.Credential.EndSessions(tx.Now(), "")
		p.UserTable.Put(tx, user)
		return p.Trail.Add(
			ctx,
			tx,
			audit.Act{Kind: "user.changed", Subject: string(user.ID), Before: old.recorded(), After: user.recorded()},
		)
	})
	if err != nil {
		return MerchantUser{}, fault.Wrap(err, "change "+string(c.User))
	}
	return user, nil
}

// RequireOwner refuses a change of a user that is not by an owner of the same merchant, or of the owner's own; the
// decision declared both rows. Two owners who demote each other at once: the second one is none any more. Errors:
// party.not_owner, party.user_not_found, party.self_change.
func (p *Parties) RequireOwner(tx *commit.Tx, c UserChange) error {
	owner, found, err := p.UserTable.Get(tx, p.UserTable.Key(string(c.By)))
	if err != nil {
		return err
	}
	if !found || owner.Merchant != c.Merchant || owner.Role != MerchantOwner || owner.State != StateActive {
		return fault.New(fault.Forbidden, "party.not_owner", "only an owner changes users")
	}
	if err := p.RequireUser(tx, c.Merchant, c.User); err != nil {
		return err
	}
	if c.User == c.By {
		return fault.New(fault.Forbidden, "party.self_change", "nobody changes their own role, store, state or app").
			WithHint("ask another owner")
	}
	return nil
}

// RequireUser refuses a user who is not of a merchant; the decision declared the row. Errors: party.user_not_found.
func (p *Parties) RequireUser(tx *commit.Tx, merchant id.Merchant, name id.MerchantUser) error {
	user, found, err := p.UserTable.Get(tx, p.UserTable.Key(string(name)))
	if err == nil && (!found || user.Merchant != merchant) {
		return userNotFound()
	}
	return err
}

func (c UserChange) apply(user MerchantUser) (MerchantUser, error) {
	if c.Role != "" {
		user.Role = c.Role
	}
	if c.Store != "" {
		user.Store = c.Store
	}
	if c.WholeMerchant {
		user.Store = ""
	}
	if c.State != "" {
		if err := move(user.State, c.State); err != nil {
			return user, err
		}
		user.State = c.State
	}
	return user, checkMerchantRole(user.Role, user.Store)
}

// User returns one person of a merchant. Errors: party.user_not_found, also for another merchant's.
func (p *Parties) User(ctx context.Context, merchant id.Merchant, name id.MerchantUser) (MerchantUser, error) {
	user, err := p.userBy(ctx, userByID, string(name))
	if err == nil && user.Merchant != merchant {
		return MerchantUser{}, userNotFound()
	}
	return user, err
}

// UserByID returns one person, whichever merchant's. Errors: party.user_not_found.
func (p *Parties) UserByID(ctx context.Context, name id.MerchantUser) (MerchantUser, error) {
	return p.userBy(ctx, userByID, string(name))
}

// UserByEmail returns the person with an address. Errors: party.bad_email, party.user_not_found.
func (p *Parties) UserByEmail(ctx context.Context, email string) (MerchantUser, error) {
	address, err := ParseEmail(email)
	if err != nil {
		return MerchantUser{}, err
	}
	return p.userBy(ctx, userByEmail, address)
}

// UserByInvitation returns the person whom an invitation of this hash invites. Errors: party.user_not_found.
func (p *Parties) UserByInvitation(ctx context.Context, hash string) (MerchantUser, error) {
	return p.userBy(ctx, userByInvitation, hash)
}

// UsersOf returns the people of a merchant, newest first, at most 1,000.
func (p *Parties) UsersOf(ctx context.Context, merchant id.Merchant) ([]MerchantUser, error) {
	return p.readUsers(ctx, usersOf, string(merchant))
}

func userNotFound() error {
	return fault.New(fault.NotFound, "party.user_not_found", "there is no such user")
}
