package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// A device proves that it is the device: a MAC under the secret that it got when it first signed in and keeps in its
// key store. A stolen session token or device id is worth nothing without it. See
// docs/decisions/0004-device-proof.md.

const (
	proofSkew    = 90 * time.Second
	proofVersion = 1 // of the device's secret
)

// DeviceProof is such a MAC, with the instant (Unix seconds) that is in it.
type DeviceProof struct {
	At  int64  `json:"at"`
	MAC string `json:"mac" maxLength:"64"`
}

// DeviceMAC computes the MAC of a proof: HMAC-SHA-256 in base64url without padding over four lines: feiqian/device/1,
// what for, subject, instant. Sign-in is `sign_in` and the phone number in E.164; a confirmation is `confirm` and
// the text of its intent.
func DeviceMAC(secret []byte, what, subject string, at int64) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("feiqian/device/1\n" + what + "\n" + subject + "\n" + strconv.FormatInt(at, 10)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// checkDevice refuses a proof that is not the device's, or not of now. Errors: auth.device_proof_missing (Forbidden).
func (a *Auth) checkDevice(device id.Device, what, subject string, p DeviceProof) error {
	missing := fault.New(fault.Forbidden, "auth.device_proof_missing", "this device has promised to prove itself").
		WithParam("device_proof").WithHint("see the device proof in docs/credentials.md; else sign in again")
	if p.MAC == "" || device == "" {
		return missing
	}
	if off := a.clock.Now().Sub(time.Unix(p.At, 0)); off > proofSkew || off < -proofSkew {
		return missing
	}
	secret := a.vault.DeviceSecret(device, proofVersion)
	if !hmac.Equal([]byte(DeviceMAC(secret[:], what, subject, p.At)), []byte(p.MAC)) {
		return missing
	}
	return nil
}
