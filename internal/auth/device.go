package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Device is a customer's phone or browser. Its payment codes carry Handle, ten random digits; CodeStep
// and CodeN are those of the last code used, and package wallet moves them on.
type Device struct {
	ID       id.Device   `json:"id"`
	Customer id.Customer `json:"customer_id"`
	Handle   string      `json:"-"`
	Name     string      `json:"name"`
	CodeStep int64       `json:"-"`
	CodeN    int64       `json:"-"`
	State    DeviceState `json:"state"`
	// Proves says that the device promised to prove itself at each confirmation; see devproof.go.
	Proves    bool      `json:"proves"`
	CreatedAt time.Time `json:"created_at"`
}

// DeviceState says whether a device may be used.
type DeviceState string

// The states of devices.
const (
	// DeviceActive can sign in and make payment codes.
	DeviceActive DeviceState = "active"
	// DeviceRevoked can do nothing any more; final.
	DeviceRevoked DeviceState = "revoked"
)

const (
	handleMod   = 10_000_000_000 // ten digits
	deviceNamed = "device"       // where the request has no name
)

// checked returns the request with a name that can be stored. Errors: auth.bad_device_name.
func (r DeviceRequest) checked() (DeviceRequest, error) {
	if strings.TrimSpace(r.Name) == "" {
		r.Name = deviceNamed
	}
	name, err := party.ParseName(r.Name)
	if err != nil {
		return r, fault.New(fault.Invalid, "auth.bad_device_name", "a device's name has 1 to 64 printable characters").
			WithParam("device_name")
	}
	r.Name = name
	return r, nil
}

func newDevice(customer id.Customer, asked DeviceRequest, now time.Time) Device {
	return Device{
		ID: id.New[id.Device](now), Customer: customer, Handle: newHandle(), Name: asked.Name, State: DeviceActive,
		Proves: asked.Proves, CreatedAt: now,
	}
}

func newHandle() string {
	n, err := rand.Int(rand.Reader, big.NewInt(handleMod))
	if err != nil {
		panic("auth: " + err.Error()) // crypto/rand does not fail
	}
	return fmt.Sprintf("%010d", n.Int64())
}

// putDevice returns the device that the request names, if it is this customer's and active, or
// stores the drafted one. Errors: auth.handle_taken, to be tried again with another draft.
func (a *Auth) putDevice(tx *commit.Tx, d draft) (Device, error) {
	known, found, err := a.DeviceTable.Get(tx, a.DeviceTable.Key(string(d.asked.ID)))
	if err != nil {
		return Device{}, err
	}
	if found && known.Customer == d.device.Customer && known.State == DeviceActive {
		if d.asked.Proves && !known.Proves { // a promise is never taken back: a thief would
			known.Proves = true
			a.DeviceTable.Put(tx, known)
		}
		return known, nil
	}
	_, taken, err := a.DeviceTable.Get(tx, a.DeviceTable.KeyBy("handle", d.device.Handle))
	if err != nil {
		return Device{}, err
	}
	if taken {
		return Device{}, fault.New(fault.Conflict, "auth.handle_taken", "another device has this handle")
	}
	a.DeviceTable.Put(tx, d.device)
	if d.notice != nil {
		// A phone that got too many texts today must not lock its owner out.
		if err := a.messages.Send(tx, *d.notice); err != nil && fault.KindOf(err) != fault.Limited {
			return Device{}, err
		}
	}
	return d.device, a.announce(tx, "device.added", string(d.device.ID), d.device)
}

// ListDevices returns the active devices of a customer, newest first, at most 100.
func (a *Auth) ListDevices(ctx context.Context, customer id.Customer) ([]Device, error) {
	return a.readDevices(ctx, devicesOf, string(customer))
}

// Device returns one device. Errors: auth.device_not_found.
func (a *Auth) Device(ctx context.Context, name id.Device) (Device, error) {
	return a.oneDevice(ctx, deviceByID, string(name))
}

// DeviceByHandle returns the device that a payment code names, revoked or not. Errors:
// auth.device_not_found.
func (a *Auth) DeviceByHandle(ctx context.Context, handle string) (Device, error) {
	return a.oneDevice(ctx, deviceByHandle, handle)
}

func (a *Auth) oneDevice(ctx context.Context, text, value string) (Device, error) {
	devices, err := a.readDevices(ctx, text, value)
	if err != nil {
		return Device{}, err
	}
	if len(devices) == 0 {
		return Device{}, deviceNotFound()
	}
	return devices[0], nil
}

func deviceNotFound() error {
	return fault.New(fault.NotFound, "auth.device_not_found", "there is no such device")
}

// RevokeDevice ends a customer's device, its payment codes at once and its sessions within two
// seconds. To revoke a revoked one is no error. Errors: auth.device_not_found.
func (a *Auth) RevokeDevice(ctx context.Context, customer id.Customer, name id.Device) error {
	key := a.DeviceTable.Key(string(name))
	err := a.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		device, found, err := a.DeviceTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || device.Customer != customer {
			return deviceNotFound()
		}
		if device.State != DeviceRevoked {
			device.State = DeviceRevoked
			a.DeviceTable.Put(tx, device)
			return a.Trail.Add(ctx, tx, audit.Act{Kind: "device.revoked", Subject: string(customer), After: device})
		}
		return nil
	})
	a.sessions.ForgetAll()
	return fault.Wrap(err, "revoke "+string(name))
}
