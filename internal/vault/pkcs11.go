//go:build pkcs11

package vault

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/feiqian/feiqian/internal/fault"
)

// wrapLabel is the label of the token's key.
const wrapLabel = "feiqian-wrap-1"

// token wraps data keys inside a PKCS#11 token, by AES-256-GCM under a key that is made there and cannot leave.
type token struct {
	name    string
	mu      sync.Mutex // a session is for one at a time
	module  *pkcs11.Ctx
	session pkcs11.SessionHandle
	key     pkcs11.ObjectHandle
}

// OpenPKCS11 signs in to the token and finds its wrapping key, which it makes the first time. Close the store with the
// function. A process opens a module once.
//
// Errors: vault.key_store_failed (with what to check).
func OpenPKCS11(with PKCS11) (KeyStore, func(), error) {
	module := pkcs11.New(with.Module)
	if module == nil {
		return nil, nil, storeFailed("load the module", fmt.Errorf("%s can't be loaded", with.Module))
	}
	if err := module.Initialize(); err != nil {
		module.Destroy()
		return nil, nil, storeFailed("start the module", err)
	}
	t := &token{name: "pkcs11:" + with.Token, module: module}
	if err := t.open(with); err != nil {
		t.close()
		return nil, nil, err
	}
	return t, t.close, nil
}

func (t *token) open(with PKCS11) error {
	slot, err := t.slot(with.Token)
	if err != nil {
		return err
	}
	if t.session, err = t.module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION); err != nil {
		return storeFailed("open a session", err)
	}
	if err := t.module.Login(t.session, pkcs11.CKU_USER, with.PIN); err != nil {
		return storeFailed("sign in to the token", err)
	}
	return t.findKey()
}

// slot finds the token by its label.
func (t *token) slot(label string) (uint, error) {
	slots, err := t.module.GetSlotList(true)
	if err != nil {
		return 0, storeFailed("list the slots", err)
	}
	for _, slot := range slots {
		if about, err := t.module.GetTokenInfo(slot); err == nil && about.Label == label {
			return slot, nil
		}
	}
	return 0, storeFailed("find the token", fmt.Errorf("no token is labelled %s", label))
}

func (t *token) findKey() error {
	wanted := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_LABEL, wrapLabel),
	}
	if err := t.module.FindObjectsInit(t.session, wanted); err != nil {
		return storeFailed("look for the key", err)
	}
	found, _, err := t.module.FindObjects(t.session, 2)
	if ended := t.module.FindObjectsFinal(t.session); err == nil {
		err = ended
	}
	switch {
	case err != nil:
		return storeFailed("look for the key", err)
	case len(found) > 1:
		return storeFailed(
			"look for the key",
			fmt.Errorf("two keys are labelled %s; remove the one that is not in use", wrapLabel),
		)
	case len(found) == 1:
		t.key = found[0]
		return nil
	}
	made := append(wanted,
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES), pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, KeySize),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true))
	t.key, err = t.module.GenerateKey(t.session,
		[]*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, made)
	if err != nil {
		return storeFailed("make the key", err)
	}
	return nil
}

func (t *token) close() {
	if t.session != 0 {
		_ = t.module.Logout(t.session)
		_ = t.module.CloseSession(t.session)
	}
	_ = t.module.Finalize()
	t.module.Destroy()
}

// Name implements KeyStore.
func (t *token) Name() string { return t.name }

// Wrap implements KeyStore: the nonce, then the ciphertext with its tag.
func (t *token) Wrap(_ context.Context, name string, key []byte) ([]byte, error) {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails: it ends the program instead (crypto/rand)
	t.mu.Lock()
	defer t.mu.Unlock()
	mechanism, free := gcm(nonce[:], name)
	defer free()
	if err := t.module.EncryptInit(t.session, mechanism, t.key); err != nil {
		return nil, storeFailed("wrap data key "+name, err)
	}
	wrapped, err := t.module.Encrypt(t.session, key)
	if err != nil {
		return nil, storeFailed("wrap data key "+name, err)
	}
	return append(nonce[:], wrapped...), nil
}

// Unwrap implements KeyStore.
func (t *token) Unwrap(_ context.Context, name string, wrapped []byte) ([]byte, error) {
	if len(wrapped) != nonceSize+KeySize+tagSize {
		return nil, badWrapped(t.name, name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	mechanism, free := gcm(wrapped[:nonceSize], name)
	defer free()
	if err := t.module.DecryptInit(t.session, mechanism, t.key); err != nil {
		return nil, storeFailed("unwrap data key "+name, err)
	}
	key, err := t.module.Decrypt(t.session, wrapped[nonceSize:])
	if err != nil {
		return nil, fault.From(badWrapped(t.name, name)).WithCause(err)
	}
	return key, nil
}

// gcm names AES-GCM with the data that is bound to a wrapped key.
func gcm(nonce []byte, name string) ([]*pkcs11.Mechanism, func()) {
	params := pkcs11.NewGCMParams(nonce, wrapData(name), tagSize*8)
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, params.Free
}

func storeFailed(doing string, err error) error {
	return fault.New(fault.Unavailable, "vault.key_store_failed", "the key store could not "+doing).
		WithHint("check the module, the token's label and its PIN").WithCause(err)
}
