package auth

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	invitationPrefix = "inv_"
	invitationFor    = 7 * 24 * time.Hour
)

// User returns the merchant's user who is signed in, "" for others.
func (s Session) User() id.MerchantUser {
	if s.Kind != KindUser {
		return ""
	}
	return id.MerchantUser(s.SubjectID)
}

// userHolder is holder for a merchant's user.
func (a *Auth) userHolder(tx *commit.Tx, s subject) (holder, error) {
	row, found, err := a.parties.UserTable.Get(tx, a.subjectKey(s))
	if err != nil || !found {
		return holder{}, orBadCredentials(err)
	}
	barred := row.State != party.StateActive || row.Credential.PasswordHash == ""
	wants := wantsApp(KindUser, row.Role)
	return holder{credential: row.Credential, barred: barred, wantsApp: wants, put: func(c party.Credential) {
		row.Credential = c
		a.parties.UserTable.Put(tx, row)
	}}, nil
}

// SignInUser opens a session for a merchant's user, 12 hours. The code of an authenticator app is wanted of roles
// that reach money or people, and of who has set one up. Errors: as SignInStaff.
func (a *Auth) SignInUser(ctx context.Context, r StaffSignInRequest) (SignedIn, error) {
	c, err := a.userClaim(ctx, r)
	if err != nil {
		return SignedIn{}, err
	}
	return a.signIn(ctx, c)
}

func (a *Auth) userClaim(ctx context.Context, r StaffSignInRequest) (claim, error) {
	email, err := party.ParseEmail(r.Email)
	if err != nil {
		return claim{}, err
	}
	user, err := a.parties.UserByEmail(ctx, email)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return claim{}, err
	}
	if user.Credential.PasswordHash == "" {
		user = party.MerchantUser{} // invited only: as one whom nobody knows
	}
	return claim{
		login: "merchant:" + email, name: email, password: r.Password, address: r.Address,
		subject: userSubject(user.ID), credential: user.Credential, second: second{totp: r.TOTP},
	}, nil
}

// Invite stores a new user of a merchant and returns the token with which the person sets a password, shown this
// once and good for seven days. Errors: those of party.CreateUser.
func (a *Auth) Invite(ctx context.Context, n party.NewMerchantUser) (party.MerchantUser, string, error) {
	token := vault.Token(invitationPrefix)
	n.InvitationHash, n.InvitedUntil = vault.HashToken(token), a.clock.Now().Add(invitationFor)
	user, err := a.parties.CreateUser(ctx, n)
	if err != nil {
		return party.MerchantUser{}, "", err
	}
	return user, token, nil
}

// AcceptInvitation sets the first password of whom a token invites; the token is used up. Errors:
// auth.invitation_invalid, auth.weak_password, auth.busy.
func (a *Auth) AcceptInvitation(ctx context.Context, token, password string) error {
	if err := checkStaffPassword(password); err != nil {
		return err
	}
	hash := vault.HashToken(token)
	user, err := a.parties.UserByInvitation(ctx, hash)
	if fault.KindOf(err) == fault.NotFound {
		return invitationInvalid()
	}
	if err != nil {
		return err
	}
	return a.firstPassword(ctx, user.ID, password, func(row party.MerchantUser, now time.Time) bool {
		return row.InvitationHash == hash && now.Before(row.InvitedUntil)
	})
}

// SetFirstPassword sets the password of a user who has none yet, on the word of the caller. Errors:
// auth.invitation_invalid (there is one), auth.weak_password, auth.busy.
func (a *Auth) SetFirstPassword(ctx context.Context, user id.MerchantUser, password string) error {
	if err := checkStaffPassword(password); err != nil {
		return err
	}
	return a.firstPassword(ctx, user, password, func(party.MerchantUser, time.Time) bool { return true })
}

func (a *Auth) firstPassword(
	ctx context.Context, name id.MerchantUser, password string, holds func(party.MerchantUser, time.Time) bool,
) error {
	passwordHash, err := a.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	key := a.parties.UserTable.Key(string(name))
	err = a.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := a.parties.UserTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || row.State != party.StateActive || row.Credential.PasswordHash != "" || !holds(row, tx.Now()) {
			return invitationInvalid()
		}
		row.Credential.PasswordHash, row.InvitationHash, row.InvitedUntil = passwordHash, "", time.Time{}
		a.parties.UserTable.Put(tx, row)
		return a.Trail.Add(ctx, tx, audit.Act{Kind: "password.changed", Subject: string(name)})
	})
	return fault.Wrap(err, "set the first password of "+string(name))
}

func invitationInvalid() error {
	return fault.New(fault.Unauthenticated, "auth.invitation_invalid", "this invitation is not valid any more").
		WithHint("ask an owner of the merchant for a new one")
}
