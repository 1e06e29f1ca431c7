/**
 * ethtool: the commands of SIOCETHTOOL and the structs that carry them. Host byte order.
 *
 * Source: <linux/ethtool.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const ETHTOOL_GDRVINFO = 0x3
export const ETHTOOL_GLINK = 0xa
export const ETHTOOL_GGRO = 0x2b
export const ETHTOOL_SGRO = 0x2c
export const ETHTOOL_GLINKSETTINGS = 0x4c
export const ETHTOOL_SLINKSETTINGS = 0x4d

// struct ethtool_value
export const ETHTOOL_VALUE_DATA = 4
export const ETHTOOL_VALUE_SIZE = 8

// struct ethtool_drvinfo: NUL-terminated strings
export const ETHTOOL_DRVINFO_DRIVER = 4
export const ETHTOOL_DRVINFO_VERSION = 36
export const ETHTOOL_DRVINFO_BUS_INFO = 100
export const ETHTOOL_DRVINFO_SIZE = 196

// struct ethtool_link_settings: three masks of link_mode_masks_nwords words follow
export const ETHTOOL_LINK_SETTINGS_SPEED = 4
export const ETHTOOL_LINK_SETTINGS_DUPLEX = 8
export const ETHTOOL_LINK_SETTINGS_PORT = 9
export const ETHTOOL_LINK_SETTINGS_AUTONEG = 11
export const ETHTOOL_LINK_SETTINGS_NWORDS = 15
export const ETHTOOL_LINK_SETTINGS_SIZE = 48
export const DUPLEX_FULL = 1
export const PORT_TP = 0
export const AUTONEG_DISABLE = 0
