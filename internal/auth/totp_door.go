package auth

import (
	"context"
	"encoding/base32"
	"fmt"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// The authenticator app as the second factor of a sign-in: of all staff, and of merchants' users whose role reaches
// money or people. It is set up at the door, with the password, since who has none cannot come in.

// wantsApp says whether a sign-in needs an app even where none was set up: of staff always, of a merchant's user in
// each role but those that are named here.
func wantsApp(kind Kind, role party.MerchantRole) bool {
	return kind != KindUser || role != party.MerchantOperator && role != party.MerchantViewer
}

// BeginStaffTOTP draws a TOTP secret for a person of the staff who has none yet; the next sign-in with a code of it
// makes it count. Errors: as SignInStaff, auth.totp_set.
func (a *Auth) BeginStaffTOTP(ctx context.Context, r StaffSignInRequest) (Enrolment, error) {
	c, err := a.staffClaim(ctx, r)
	if err != nil {
		return Enrolment{}, err
	}
	return a.beginDoorTOTP(ctx, c)
}

// BeginUserTOTP is BeginStaffTOTP for a merchant's user. Errors: as SignInUser, auth.totp_set.
func (a *Auth) BeginUserTOTP(ctx context.Context, r StaffSignInRequest) (Enrolment, error) {
	c, err := a.userClaim(ctx, r)
	if err != nil {
		return Enrolment{}, err
	}
	return a.beginDoorTOTP(ctx, c)
}

func (a *Auth) beginDoorTOTP(ctx context.Context, c claim) (Enrolment, error) {
	if err := a.limit(c); err != nil {
		return Enrolment{}, err
	}
	floor := time.NewTimer(refusalFloor)
	defer floor.Stop()
	proof, err := a.prove(ctx, c)
	if err != nil {
		a.noteSignIn(ctx, c.subject, err)
		return Enrolment{}, hold(ctx, floor, err)
	}
	enrolment, row, err := a.newEnrolment(c.subject, c.name)
	if err != nil {
		return Enrolment{}, err
	}
	keys := []commit.Key{a.subjectKey(c.subject), a.totpKey(c.subject)}
	err = a.committer.Do(ctx, keys, func(tx *commit.Tx) error {
		h, err := a.holder(tx, c.subject)
		if err != nil {
			return err
		}
		if err := h.judge(proof, tx.Now()); err != nil {
			return err
		}
		return a.putEnrolment(tx, row)
	})
	if err != nil {
		a.noteSignIn(ctx, c.subject, err)
		return Enrolment{}, hold(ctx, floor, fault.Wrap(err, "begin TOTP of "+c.subject.id))
	}
	return enrolment, nil
}

// SeedStaffTOTP gives a person of the staff who has no app a known secret that counts at once: for the people of a
// sandbox. A live instance refuses. Errors: auth.not_in_live_mode, a secret that is not base 32.
func (a *Auth) SeedStaffTOTP(ctx context.Context, staff id.Staff, secret string) error {
	return a.seedTOTP(ctx, staffSubject(staff), secret)
}

// SeedUserTOTP is SeedStaffTOTP for a merchant's user.
func (a *Auth) SeedUserTOTP(ctx context.Context, user id.MerchantUser, secret string) error {
	return a.seedTOTP(ctx, userSubject(user), secret)
}

func (a *Auth) seedTOTP(ctx context.Context, s subject, secret string) error {
	if a.live {
		return fault.New(fault.Forbidden, "auth.not_in_live_mode", "a live instance takes no secret that others know")
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return fmt.Errorf("read a TOTP secret: %w", err)
	}
	sealed, err := a.vault.Seal(totpPurpose, totpAAD(s), key)
	if err != nil {
		return err
	}
	row := totpRow{ID: s.id, Sealed: sealed}
	err = a.committer.Do(ctx, []commit.Key{a.totpKey(s)}, func(tx *commit.Tx) error {
		known, found, err := a.totpTable.Get(tx, a.totpKey(s))
		if err != nil || found && !known.ConfirmedAt.IsZero() {
			return err
		}
		row.CreatedAt, row.ConfirmedAt = tx.Now(), tx.Now()
		a.totpTable.Put(tx, row)
		return nil
	})
	return fault.Wrap(err, "seed TOTP of "+s.id)
}

// requireDoorTOTP is the second factor of a sign-in of staff and merchants' users. The first right code makes a fresh
// secret count, with the recovery codes that were drawn for it.
//
// Errors: auth.totp_enrolment_required, auth.totp_required (both Forbidden), those of requireTOTP.
func (a *Auth) requireDoorTOTP(
	tx *commit.Tx, s subject, wants bool, door doorTry,
) (confirmed bool, err error) {
	row, found, err := a.totpTable.Get(tx, a.totpKey(s))
	if err != nil {
		return false, err
	}
	fresh := row.ConfirmedAt.IsZero()
	if door.app.code == "" && fresh && !wants { // where nobody is asked for an app, a fresh one does not count yet
		return false, nil
	}
	if !found || len(row.Sealed) == 0 {
		return false, fault.New(fault.Forbidden, "auth.totp_enrolment_required", "sign in with an authenticator app").
			WithHint("set one up at POST " + doorOf(s.kind) + "/totp, then sign in with its code")
	}
	if door.app.code == "" {
		return false, totpRequired()
	}
	row, err = a.requireTOTP(tx, s, door.app)
	if err != nil || !fresh {
		return false, err
	}
	row.ConfirmedAt, row.Recovery = tx.Now(), door.recovery
	a.totpTable.Put(tx, row)
	return true, nil
}

// doorTry is what somebody brings to a door, with the recovery codes for a fresh app.
type doorTry struct {
	app      appTry
	recovery string
}

func doorOf(kind Kind) string {
	if kind == KindUser {
		return "/merchant/v1"
	}
	return "/ops/v1"
}

// StaffTOTPKeys names the rows that ResetStaffTOTP reads; the decision declares them.
func (a *Auth) StaffTOTPKeys(staff id.Staff) []commit.Key { return a.doorKeys(staffSubject(staff)) }

// UserTOTPKeys is StaffTOTPKeys for a merchant's user.
func (a *Auth) UserTOTPKeys(user id.MerchantUser) []commit.Key { return a.doorKeys(userSubject(user)) }

func (a *Auth) doorKeys(s subject) []commit.Key { return []commit.Key{a.totpKey(s), a.subjectKey(s)} }

// HasStaffTOTP refuses where a person of the staff has no authenticator app that counts. Errors: auth.totp_not_set
// (Conflict).
func (a *Auth) HasStaffTOTP(tx *commit.Tx, staff id.Staff) error {
	_, err := a.countingTOTP(tx, staffSubject(staff))
	return err
}

// HasUserTOTP is HasStaffTOTP for a user of a merchant. Errors: party.user_not_found, also for another merchant's;
// auth.totp_not_set.
func (a *Auth) HasUserTOTP(tx *commit.Tx, merchant id.Merchant, user id.MerchantUser) error {
	if err := a.parties.RequireUser(tx, merchant, user); err != nil {
		return err
	}
	_, err := a.countingTOTP(tx, userSubject(user))
	return err
}

// countingTOTP returns the row of an app that counts. Errors: auth.totp_not_set (Conflict).
func (a *Auth) countingTOTP(tx *commit.Tx, s subject) (totpRow, error) {
	row, found, err := a.totpTable.Get(tx, a.totpKey(s))
	if err == nil && (!found || row.ConfirmedAt.IsZero()) {
		return row, totpNotSet()
	}
	return row, err
}

// ResetStaffTOTP takes an app away that was lost, with its recovery codes and all open sessions, in the decision of
// somebody else. The next sign-in sets up another one. A lock of wrong codes stays. Errors: auth.totp_not_set
// (Conflict).
func (a *Auth) ResetStaffTOTP(tx *commit.Tx, staff id.Staff) error {
	return a.resetTOTP(tx, staffSubject(staff))
}

// ResetUserTOTP is ResetStaffTOTP for a user of a merchant. Errors: those of HasUserTOTP.
func (a *Auth) ResetUserTOTP(tx *commit.Tx, merchant id.Merchant, user id.MerchantUser) error {
	if err := a.parties.RequireUser(tx, merchant, user); err != nil {
		return err
	}
	return a.resetTOTP(tx, userSubject(user))
}

func (a *Auth) resetTOTP(tx *commit.Tx, s subject) error {
	row, err := a.countingTOTP(tx, s)
	if err != nil {
		return err
	}
	h, err := a.holder(tx, s)
	if err != nil {
		return err
	}
	row.ConfirmedAt, row.Recovery, row.Sealed = time.Time{}, "", []byte{}
	a.totpTable.Put(tx, row)
	h.endSessions(tx.Now(), "")
	tx.After(a.ForgetSessions)
	return nil
}

// TOTPLoss says whose app is lost, and which owner of the merchant says so.
type TOTPLoss struct {
	Merchant id.Merchant
	By, User id.MerchantUser
}

// TakeUserTOTP takes the lost app of a merchant's user away, on the word of an owner; see ResetStaffTOTP. Nobody
// takes their own. Errors: party.not_owner, party.self_change, those of HasUserTOTP.
func (a *Auth) TakeUserTOTP(ctx context.Context, loss TOTPLoss) error {
	keys := append(a.UserTOTPKeys(loss.User), a.parties.UserTable.Key(string(loss.By)))
	err := a.committer.Do(ctx, keys, func(tx *commit.Tx) error {
		err := a.parties.RequireOwner(tx, party.UserChange{Merchant: loss.Merchant, By: loss.By, User: loss.User})
		if err != nil {
			return err
		}
		if err := a.ResetUserTOTP(tx, loss.Merchant, loss.User); err != nil {
			return err
		}
		return a.recordCredential(ctx, tx, "user.totp_reset", userSubject(loss.User), nil, nil)
	})
	return fault.Wrap(err, "take the app of "+string(loss.User))
}
