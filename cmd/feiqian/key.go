package main

import (
	"time"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/vault"
)

const progressEvery = 100 * time.Millisecond

// ownLogKey returns the verifier key of this instance's log, from its vault.
func ownLogKey(cfg config.Config) (string, error) {
	keys, err := vault.Open(cfg.VaultKeyFile)
	if err != nil {
		return "", err
	}
	log, err := ledger.NewLog(nil, &clock.Clock{}, ledger.LogOptions{
		Origin: app.LogOrigin(cfg.Mode), Key: keys.SigningKey("ledger.log"),
	})
	if err != nil {
		return "", err
	}
	return log.Key(), nil
}

// ownAuditKey returns the verifier key of this instance's audit trail, from its vault.
func ownAuditKey(cfg config.Config) (string, error) {
	keys, err := vault.Open(cfg.VaultKeyFile)
	if err != nil {
		return "", err
	}
	chain, err := audit.NewChain(nil, &clock.Clock{}, audit.ChainOptions{
		Origin: app.AuditOrigin(cfg.Mode), Key: keys.SigningKey("audit.chain"),
	})
	if err != nil {
		return "", err
	}
	return chain.Key(), nil
}
