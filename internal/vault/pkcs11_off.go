//go:build !pkcs11

package vault

import "github.com/feiqian/feiqian/internal/fault"

// OpenPKCS11 refuses: this program was built without PKCS#11, which needs cgo. Errors: vault.pkcs11_not_built.
func OpenPKCS11(PKCS11) (KeyStore, func(), error) {
	return nil, nil, fault.New(fault.Invalid, "vault.pkcs11_not_built", "this program was built without PKCS#11").
		WithHint("build it with `make build-pkcs11`, or set key_store to local")
}
