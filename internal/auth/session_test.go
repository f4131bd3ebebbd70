package auth_test

import (
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestDevices(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		one := f.signIn(t, auth.DeviceRequest{Name: "One"})
		again := f.signIn(t, auth.DeviceRequest{ID: one.Device.ID, Name: "Ignored"})
		if again.Device != one.Device {
			t.Errorf("not the same device: %+v, %+v", again.Device, one.Device)
		}
		two := f.signIn(t, auth.DeviceRequest{ID: "dev_none", Name: "Two"})
		if two.Device.ID == one.Device.ID || two.Device.ID == "dev_none" {
			t.Errorf("device %s", two.Device.ID)
		}
		other, err := f.Register(t.Context(), auth.Registration{Phone: "13800000002", Name: "李四", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		thief, err := f.StartSession(t.Context(), other.ID, auth.DeviceRequest{ID: one.Device.ID, Name: "Thief"})
		if err != nil || thief.Device.ID == one.Device.ID {
			t.Errorf("another customer got the device: %+v, %v", thief, err)
		}
		f.refused(t, "auth.device_not_found", func() error { return f.RevokeDevice(t.Context(), other.ID, one.Device.ID) })
		f.refused(t, "auth.bad_device_name", func() error {
			_, err := f.StartSession(t.Context(), other.ID, auth.DeviceRequest{Name: "a\nb"})
			return err
		})
		if err := f.RevokeDevice(t.Context(), customer.ID, one.Device.ID); err != nil {
			t.Fatal(err)
		}
		for _, in := range []auth.SignedIn{one, again} {
			if _, err := f.Authenticate(t.Context(), in.Token); fault.CodeOf(err) != "auth.session_invalid" {
				t.Errorf("session of a revoked device: %v", err)
			}
		}
		listed, err := f.ListDevices(t.Context(), customer.ID)
		if err != nil || len(listed) != 1 || listed[0] != two.Device {
			t.Errorf("devices %+v, %v", listed, err)
		}
		if in := f.signIn(t, auth.DeviceRequest{ID: one.Device.ID}); in.Device.ID == one.Device.ID {
			t.Error("a revoked device was used again")
		}
		found, err := f.DeviceByHandle(t.Context(), one.Device.Handle)
		if err != nil || found.State != auth.DeviceRevoked {
			t.Errorf("by handle: %+v, %v", found, err)
		}
	})
}

// TestSignOut ends a session on one node: there at once, on the other within two seconds.
func TestSignOut(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		here, there := start(t, db), start(t, db)
		here.register(t)
		in := here.signIn(t, auth.DeviceRequest{})
		for _, f := range []*fixture{here, there} {
			if _, err := f.Authenticate(t.Context(), in.Token); err != nil {
				t.Fatal(err)
			}
		}
		if err := here.SignOut(t.Context(), in.Session); err != nil {
			t.Fatal(err)
		}
		here.refused(t, "auth.session_invalid", func() error {
			_, err := here.Authenticate(t.Context(), in.Token)
			return err
		})
		there.clock.Advance(2 * time.Second)
		there.refused(t, "auth.session_invalid", func() error {
			_, err := there.Authenticate(t.Context(), in.Token)
			return err
		})
		if device, err := here.Device(t.Context(), in.Device.ID); err != nil || device.State != auth.DeviceRevoked {
			t.Errorf("device %+v, %v", device, err)
		}
		here.refused(t, "", func() error { return here.SignOut(t.Context(), in.Session) }) // again: nothing to do
		here.refused(t, "auth.session_invalid", func() error {
			return here.SignOut(t.Context(), auth.Session{ID: "ses_none"})
		})
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	f := start(b, sqldbtest.Open(b, "sqlite"))
	customer := f.register(b)
	in, err := f.StartSession(b.Context(), customer.ID, auth.DeviceRequest{})
	if err != nil {
		b.Fatal(err)
	}
	var last id.Session
	for b.Loop() {
		session, err := f.Authenticate(b.Context(), in.Token)
		if err != nil {
			b.Fatal(err)
		}
		last = session.ID
	}
	_ = last
}
