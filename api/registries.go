package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"plimsoll/api/oas"
	"plimsoll/internal/config"
	"plimsoll/persistence"
)

// Registries stores how accounts sign in to registries.
type Registries interface {
	Create(ctx context.Context, w persistence.RegistryWrite) (persistence.Registry, error)
	Update(ctx context.Context, w persistence.RegistryWrite) (persistence.Registry, error)
	Get(ctx context.Context, account, registry string) (persistence.Registry, error)
	List(ctx context.Context, account string) ([]persistence.Registry, error)
	Delete(ctx context.Context, account, registry string) error
}

// registryTypeDocker is the only kind of registry there is a sign-in for.
const registryTypeDocker = "docker_v2"

// registryPattern is host[:port] with an optional repository part, in which * is a wildcard.
var registryPattern = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?(?:/[a-zA-Z0-9._*/-]+)?$`)

func registryBody(r persistence.Registry) oas.RegistryConfiguration {
	return oas.RegistryConfiguration{
		AccountName: r.Account, Registry: r.Registry, RegistryName: r.Name, RegistryType: r.Type, RegistryUser: r.Username,
		RegistryVerify: r.VerifyTLS, CreatedAt: utc(r.CreatedAt), LastUpdated: utc(r.UpdatedAt),
	}
}

// registryWrite checks what an account wants to store.
func registryWrite(account, registry string, body *oas.RegistryConfigurationRequest) (persistence.RegistryWrite, error) {
	if !registryPattern.MatchString(registry) {
		return persistence.RegistryWrite{}, fail(codeInvalidRequest,
			"registry must be a host with an optional port and repository part, such as registry.example.com:5000/team/*, without a scheme.")
	}
	kind := orElse(body.RegistryType, registryTypeDocker)
	if kind == "" {
		kind = registryTypeDocker
	}
	if kind != registryTypeDocker {
		return persistence.RegistryWrite{}, fail(codeInvalidRequest, fmt.Sprintf("registry_type %q is not supported; use %s.", kind, registryTypeDocker))
	}
	return persistence.RegistryWrite{
		Account: account, Registry: registry, Name: orElse(body.RegistryName, ""), Type: kind,
		Username: orElse(body.RegistryUser, ""), Password: config.Secret(orElse(body.RegistryPass, "")),
		VerifyTLS: orElse(body.RegistryVerify, true),
	}, nil
}

func noRegistry(registry string) *ProblemError {
	return fail(codeRegistryNotFound, fmt.Sprintf("Registry %s not found in the account", registry))
}

// ListRegistries lists the account's credentials.
func (h *handlers) ListRegistries(ctx context.Context, _ oas.ListRegistriesRequestObject) (oas.ListRegistriesResponseObject, error) {
	registries, err := h.deps.Registries.List(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, fmt.Errorf("list registries: %w", err)
	}
	return oas.ListRegistries200JSONResponse(each(registries, registryBody)), nil
}

// GetRegistry shows a credential.
func (h *handlers) GetRegistry(ctx context.Context, req oas.GetRegistryRequestObject) (oas.GetRegistryResponseObject, error) {
	registry, err := h.deps.Registries.Get(ctx, callerOf(ctx).Account, req.Registry)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noRegistry(req.Registry)
	case err != nil:
		return nil, fmt.Errorf("load registry: %w", err)
	}
	return oas.GetRegistry200JSONResponse{registryBody(registry)}, nil
}

// CreateRegistry stores a credential.
func (h *handlers) CreateRegistry(ctx context.Context, req oas.CreateRegistryRequestObject) (oas.CreateRegistryResponseObject, error) {
	write, err := registryWrite(callerOf(ctx).Account, orElse(req.Body.Registry, ""), req.Body)
	if err != nil {
		return nil, err
	}
	if orElse(req.Params.Validate, true) {
		if err := h.signIn(ctx, write); err != nil {
			return nil, err
		}
	}
	registry, err := h.deps.Registries.Create(ctx, write)
	switch {
	case errors.Is(err, persistence.ErrExists):
		// Clients compare these words and then update instead.
		return nil, fail(codeRegistryExists, "registry already exists in DB")
	case err != nil:
		return nil, fmt.Errorf("store registry: %w", err)
	}
	return oas.CreateRegistry200JSONResponse{registryBody(registry)}, nil
}

// UpdateRegistry replaces a credential.
func (h *handlers) UpdateRegistry(ctx context.Context, req oas.UpdateRegistryRequestObject) (oas.UpdateRegistryResponseObject, error) {
	if named := orElse(req.Body.Registry, ""); named != "" && named != req.Registry {
		return nil, fail(codeInvalidRequest, fmt.Sprintf("The body names registry %s, the path %s; they must agree.", named, req.Registry))
	}
	write, err := registryWrite(callerOf(ctx).Account, req.Registry, req.Body)
	if err != nil {
		return nil, err
	}
	if _, err := h.deps.Registries.Get(ctx, write.Account, write.Registry); errors.Is(err, persistence.ErrNotFound) {
		return nil, noRegistry(req.Registry)
	}
	if orElse(req.Params.Validate, true) {
		if err := h.signIn(ctx, write); err != nil {
			return nil, err
		}
	}
	registry, err := h.deps.Registries.Update(ctx, write)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noRegistry(req.Registry)
	case err != nil:
		return nil, fmt.Errorf("update registry: %w", err)
	}
	return oas.UpdateRegistry200JSONResponse{registryBody(registry)}, nil
}

// DeleteRegistry forgets a credential.
func (h *handlers) DeleteRegistry(ctx context.Context, req oas.DeleteRegistryRequestObject) (oas.DeleteRegistryResponseObject, error) {
	err := h.deps.Registries.Delete(ctx, callerOf(ctx).Account, req.Registry)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noRegistry(req.Registry)
	case err != nil:
		return nil, fmt.Errorf("delete registry: %w", err)
	}
	return oas.DeleteRegistry204Response{}, nil
}
