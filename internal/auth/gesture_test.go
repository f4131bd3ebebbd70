package auth_test

import (
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for points, good := range map[string]bool{
		"1478": true, "123456789": true, "2134": true, "1235": true, "1397": false, "13": false, "123": false, "1231": false,
		"1937": false, "1593": false, "5194": true, "2139": false, "0123": false, "12a4": false, "1673": false, "2468": false, "1672": true, "28": false,
	} {
		if _, err := auth.Pattern(points); (err == nil) != good {
			t.Errorf("%s: %v", points, err)
		}
	}
}

func TestGesture(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		ctx := t.Context()
		f.register(t)
		in := f.signIn(t, auth.DeviceRequest{Name: "Phone"})
		admit := func() error {
			session, err := f.Authenticate(ctx, in.Token)
			if err != nil {
				return err
			}
			return f.Admit(ctx, session)
		}
		f.refused(t, "auth.gesture_not_set", func() error { return f.Lock(ctx, in.Session) })
		wants(t, "auth.bad_credentials", f.SetGesture(ctx, in.Session, "another one", "14789"))
		if err := f.SetGesture(ctx, in.Session, password, "14789"); err != nil {
			t.Fatal(err)
		}
		wants(t, "", admit())
		f.clock.Advance(14 * time.Minute)
		wants(t, "", admit()) // and so it goes on
		f.clock.Advance(14 * time.Minute)
		wants(t, "", admit())
		f.clock.Advance(15 * time.Minute)
		f.refused(t, "auth.session_locked", admit)
		wants(t, "auth.gesture_wrong", f.Unlock(ctx, in.Session, "1236"))
		wants(t, "", f.Unlock(ctx, in.Session, "14789"))
		wants(t, "", admit())
		wants(t, "", f.Lock(ctx, in.Session))
		f.refused(t, "auth.session_locked", admit)
		for range 4 {
			wants(t, "auth.gesture_wrong", f.Unlock(ctx, in.Session, "1236"))
		}
		wants(t, "auth.session_invalid", f.Unlock(ctx, in.Session, "1236"))
		f.refused(t, "auth.session_invalid", func() error { return f.Unlock(ctx, in.Session, "14789") })
		f.refused(t, "auth.session_invalid", admit)
	})
}
