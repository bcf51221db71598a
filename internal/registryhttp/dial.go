package registryhttp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// ErrLinkLocal ends connections to link-local addresses. Clouds answer there with the credentials of the machine,
// whoever asks; no registry lives there.
var ErrLinkLocal = errors.New("link-local addresses are not connected to")

// Dialer connects to registries. It looks at addresses after names are resolved, so that no name and no redirect
// leads around the rule.
func Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("read address: %w", err)
		}
		if ip := to.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() {
			return fmt.Errorf("%s: %w", ip, ErrLinkLocal)
		}
		return nil
	}}
}
