package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/webhook"
)

// sealedColumns is the one list of what is sealed in the database: each domain adds its own. A column that is missing
// here is not sealed again when its key rotates, and its purpose's keys can't be retired.
func sealedColumns() []vault.Sealed {
	return slices.Concat(
		card.Sealed(), identity.Sealed(), onboarding.Sealed(), message.Sealed(), payment.Sealed(), auth.Sealed(),
		webhook.Sealed(),
	)
}

// AttachVault gives the vault its data keys in the database, under the key store of the settings. close gives the store
// back. Errors: those of vault.OpenPKCS11 and vault.Attach.
func AttachVault(
	ctx context.Context, cfg config.Config, v *vault.Vault, db *sqldb.DB, clk *clock.Clock,
) (closeStore func(), err error) {
	with := vault.Attachment{DB: db, Clock: clk, Columns: sealedColumns()}
	closeStore = func() {}
	if cfg.KeyStore == config.KeyStorePKCS11 {
		pin, err := os.ReadFile(cfg.PKCS11PINFile)
		if err != nil {
			return closeStore, fmt.Errorf("read the token's PIN: %w; name its file with --pkcs11-pin-file", err)
		}
		with.Store, closeStore, err = vault.OpenPKCS11(vault.PKCS11{
			Module: cfg.PKCS11Module, Token: cfg.PKCS11Token, PIN: strings.TrimSpace(string(pin)),
		})
		if err != nil {
			return func() {}, err
		}
	}
	if err := v.Attach(ctx, with); err != nil {
		closeStore()
		return func() {}, err
	}
	return closeStore, nil
}
