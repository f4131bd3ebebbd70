package vault

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/feiqian/feiqian/internal/fault"
)

const (
	// ResealSeconds is how often a node looks whether there is something to seal again.
	ResealSeconds = 10
	pageSize      = 500 // headers at once
	batchSize     = 50  // values in one transaction
	destroyed     = math.MaxUint32
)

// Reseal seals again, under the newest key of its purpose, all that is under older ones. It may be stopped or killed at
// any point, and run on several nodes: what is done is done, the rest is found by the next call. A value that changes
// meanwhile is left to the one who changes it. Values that do not open stay as they are and are reported.
func (v *Vault) Reseal(ctx context.Context) error {
	at, err := v.attached()
	if err != nil {
		return err
	}
	var failed []error
	for _, purpose := range at.purposes() {
		if err := v.resealPurpose(ctx, at, purpose); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (v *Vault) resealPurpose(ctx context.Context, at *attachment, purpose string) error {
	begun := at.Clock.Now()
	keys, err := at.readKeys(ctx, purpose)
	if err != nil {
		return err
	}
	var waiting []Key
	for _, key := range keys {
		if key.State == KeyOld && key.CleanAt.IsZero() {
			waiting = append(waiting, key)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	active := uint32(keys[len(keys)-1].Version) //nolint:gosec // versions count from 1
	var (
		failed []error
		left   int64
	)
	for _, column := range at.columnsOf(purpose) {
		n, err := v.resealColumn(ctx, at, column, active)
		left += n
		failed = append(failed, err)
	}
	v.Metrics.remaining.WithLabelValues(purpose).Set(float64(left)) //nolint:forbidigo // a measurement
	if err := errors.Join(failed...); err != nil || left > 0 {
		return err
	}
	for _, key := range waiting {
		if begun.Sub(key.ReplacedAt) >= RetireAfter { // else somebody may still seal under it
			if err := at.markClean(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// resealColumn walks one column and returns how many values are still under an older key.
func (v *Vault) resealColumn(ctx context.Context, at *attachment, s Sealed, active uint32) (int64, error) {
	var (
		left   int64
		failed error
		cursor string
	)
	for {
		page, err := at.headers(ctx, s, cursor)
		if err != nil || len(page) == 0 {
			return left, errors.Join(failed, err)
		}
		cursor = page[len(page)-1].key
		var swaps []swap
		for i, h := range page {
			if !h.ok || (h.version != active && h.version != destroyed) {
				one, err := v.resealOne(ctx, at, s, h.key)
				switch {
				case err != nil:
					v.Metrics.failed.WithLabelValues(s.Purpose).Inc()
					failed = fmt.Errorf("seal %s %s again: %w", s.Table, h.key, err)
					left++
				case one.before != nil:
					swaps = append(swaps, one)
				}
			}
			if len(swaps) == batchSize || (i == len(page)-1 && len(swaps) > 0) {
				done, err := at.write(ctx, s, swaps)
				v.Metrics.resealed.WithLabelValues(s.Purpose).Add(float64(done)) //nolint:forbidigo // a measurement
				left += int64(len(swaps)) - done
				if err != nil {
					return left, fault.Wrap(err, "seal "+s.Table+" again")
				}
				swaps = swaps[:0]
			}
		}
	}
}

func (v *Vault) resealOne(ctx context.Context, at *attachment, s Sealed, key string) (swap, error) {
	before, err := at.value(ctx, s, key)
	if err != nil || len(before) == 0 {
		return swap{}, err
	}
	plain, err := v.Open(s.Purpose, s.aad(key), before)
	if err != nil {
		return swap{}, err
	}
	after, err := v.Seal(s.Purpose, s.aad(key), plain)
	clear(plain)
	return swap{key: key, before: before, after: after}, err
}

// count returns how many values are under each version.
func (a *attachment) count(ctx context.Context, purpose string) (map[uint32]int64, error) {
	counts := map[uint32]int64{}
	for _, column := range a.columnsOf(purpose) {
		for cursor := ""; ; {
			page, err := a.headers(ctx, column, cursor)
			if err != nil {
				return nil, err
			}
			if len(page) == 0 {
				break
			}
			for _, h := range page {
				if h.ok && h.version != destroyed {
					counts[h.version]++
				}
			}
			cursor = page[len(page)-1].key
		}
	}
	return counts, nil
}
