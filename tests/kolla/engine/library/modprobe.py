"""The kernel is this machine's: none of its modules is loaded for a test."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-not-found]

module = AnsibleModule({"name": {"required": True}, "params": {"default": ""}, "state": {}, "persistent": {}})
module.exit_json(changed=True)
