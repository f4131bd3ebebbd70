// Package sim simulates a town for minutes, with all that can go wrong at once; its tests run with `make sim`.
package sim
